//! What every page has: its head, the navigation, and the age of what it shows.

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, html};

use crate::ground::harmless;
use crate::model::{Table, Value};
use crate::serve::shape;
use crate::serve::snapshots::Snapshot;

/// The pages in the navigation.
const PAGES: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/tenants", "Tenants"),
    ("/incidents", "Incidents"),
    ("/drift", "Drift"),
    ("/costs", "Costs"),
    ("/queue", "Queue"),
    ("/runs", "Runs"),
];

/// A page: its title, its place in the navigation, the snapshot that it shows, of which the first table is the state of the
/// observation, and its content.
pub struct Page<'a> {
    /// The heading.
    pub title: &'a str,
    /// The page in the navigation to which it belongs.
    pub place: &'a str,
    /// What it shows.
    pub snapshot: &'a Snapshot,
    /// What follows the heading.
    pub content: Markup,
}

impl Page<'_> {
    /// The page as HTML.
    pub fn render(&self) -> Markup {
        let now = Utc::now();
        let status = self.snapshot.tables.first().cloned().unwrap_or_default();
        let content = html! {
            (state(&status, self.snapshot, now))
            h1 tabindex="-1" { (harmless(self.title)) }
            (self.content)
        };
        document(self.title, self.place, &content)
    }
}

/// A page without a snapshot: an error.
pub fn bare(title: &str, content: &Markup) -> Markup {
    document(title, "", &html! { h1 { (title) } (content) })
}

fn document(title: &str, place: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (harmless(title)) " – wab" }
                link rel="icon" href="/assets/icon.svg";
                link rel="stylesheet" href="/assets/board.css";
                script src="/assets/board.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    nav aria-label="Pages" {
                        @for (path, name) in PAGES {
                            a href=(path) aria-current=[(path == place).then_some("page")] { (name) }
                        }
                    }
                }
                main id="main" tabindex="-1" { (content) }
                footer {
                    p { "All times are in UTC. Each list is also CSV: add .csv to its address." }
                    p id="live" role="status" aria-live="polite" {}
                }
            }
        }
    }
}

/// How old the page is, how old the observation is, and what stops it from being renewed.
fn state(status: &Table, snapshot: &Snapshot, now: DateTime<Utc>) -> Markup {
    let is_unobserved = status.value(0, "is_unobserved") == Some(&Value::Flag(true));
    html! {
        @if let Some(why) = &snapshot.stale {
            p.alert role="alert" {
                "This page could not be renewed. It is from " (shape::time(snapshot.read_at, now)) ": " (harmless(why))
            }
        }
        p.state.alert[is_unobserved] {
            @match status.time("observed_at") {
                Some(at) => {
                    "Fleet observed " strong { (shape::distance(at, now)) } ", at " (at.format("%Y-%m-%d %H:%M:%S")) "."
                }
                None => "The fleet was never observed: wab apply, or SELECT * FROM wab_refresh();"
            }
        }
        @if let Some(job) = status.text("failing_job") {
            p.alert {
                "The job " strong { (harmless(job)) } " fails: " (harmless(status.text("last_error").unwrap_or_default()))
            }
        }
    }
}
