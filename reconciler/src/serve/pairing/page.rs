//! The page itself. It is the same for every link: the browser keeps the token, which follows # in the address, to itself.

use std::sync::Arc;

use axum::extract::State;
use maud::{DOCTYPE, Markup, html};

use crate::serve::pairing::guard::Door;

/// `GET /p`
pub async fn page(State(door): State<Arc<Door>>) -> Markup {
    let text = |key: &str| door.texts.get(key).to_owned();
    // The addresses are relative: a proxy may serve the page below another path.
    html! {
        (DOCTYPE)
        html lang=(text("language")) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (text("title")) }
                link rel="icon" href="assets/icon.svg";
                link rel="stylesheet" href="assets/pairing.css";
                script src="assets/pairing.js" defer {}
            }
            body {
                main dir="auto" {
                    h1 { (text("title")) }
                    p { (text("intro")) }
                    p.warning { (text("warning")) }
                    noscript { p { (text("no_script")) } }
                    button type="button" id="start" hidden { (text("start")) }
                    p id="status" role="status" aria-live="polite" tabindex="-1" {}
                    p id="code" hidden {}
                    div id="qr" hidden {}
                    p id="countdown" {}
                    button type="button" id="go-on" hidden { (text("go_on")) }
                    button type="button" id="scan-instead" hidden { (text("scan_instead")) }
                    form id="by-code" hidden {
                        h2 { (text("by_code")) }
                        label for="phone" { (text("phone")) }
                        input id="phone" type="tel" autocomplete="tel" required maxlength="40" aria-describedby="phone-example";
                        p id="phone-example" { (text("phone_example")) }
                        button type="submit" { (text("ask_code")) }
                    }
                    p id="valid-until" {}
                    ul id="texts" hidden { @for (key, text) in door.texts.all() { li data-key=(key) { (text) } } }
                }
            }
        }
    }
}
