//! Tests what the page refuses: other sites, other names, other paths, and bodies that it does not send.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::desk::{self, Desk, PAIRING_URL, token};

#[tokio::test]
async fn requests_of_other_sites_and_names_are_refused() -> Result<()> {
    let fleet = desk::fleet(1).await?;
    let desk = Desk::start(&fleet, &[])?;
    let body = json!({"token": token(&fleet, "cust_01")?});
    for (headers, status) in [
        (&[("sec-fetch-site", "cross-site")][..], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "none")], 403),
        (&[("origin", "https://evil.example.com")], 403),
        (&[("origin", "null")], 403),
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example.com")], 403),
        (&[("content-type", "text/plain")], 415),
        (&[("content-type", "application/x-www-form-urlencoded")], 415),
        (&[("host", "evil.example.com")], 421),
        (&[("host", "pair.example.com.evil.example.com")], 421),
        (&[("host", "pair.example.com"), ("origin", "https://pair.example.com")], 200),
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://pair.example.com")], 200),
        (&[("content-type", "application/json; charset=utf-8")], 200),
    ] {
        for path in ["/p/state", "/p/code"] {
            let mut body = body.clone();
            if path == "/p/code" {
                body["phone"] = "nonsense".into();
            }
            let said = desk.post(path, &body, headers).await?;
            assert_eq!(said.status, status, "{path} {headers:?}: {said:?}");
            if status != 200 {
                assert!(said.headers.contains("cache-control: no-store"), "{said:?}");
            }
        }
    }
    assert!(PAIRING_URL.contains("pair.example.com"));
    let text = desk.post("/p/state", &json!({"token": 7, "x": "tok_SECRET"}), &[]).await?;
    assert!(text.status == 400 && !text.body.contains("SECRET"), "{text:?}");
    let long = desk.post("/p/state", &json!({"token": "x".repeat(70_000)}), &[]).await?;
    assert_eq!(long.status, 413);
    Ok(())
}

#[tokio::test]
async fn nothing_of_the_board_is_reachable() -> Result<()> {
    let fleet = desk::fleet(0).await?;
    let desk = Desk::start(&fleet, &[])?;
    assert_eq!(desk.get_board("/tenants").await?.status, 200);
    for path in [
        "/",
        "/tenants",
        "/tenants.csv",
        "/drift",
        "/metrics",
        "/readyz",
        "/live",
        "/runs",
        "/assets/board.js",
        "/assets/board.css",
        "/p/",
        "/p/state",
        "/p/code",
        "/p/../tenants",
        "/p?x",
        "/P",
    ] {
        let said = desk.get(path).await?;
        let expected = if path == "/p?x" { 200 } else { 404 };
        assert_eq!(said.status, expected, "{path}: {said:?}");
    }
    assert_eq!(desk.post("/p", &json!({}), &[]).await?.status, 404);
    assert_eq!(desk.get_board("/p").await?.status, 404);
    let page = desk.get("/p").await?;
    for header in [
        "content-security-policy: default-src 'none'",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "x-frame-options: DENY",
        "frame-ancestors 'none'",
    ] {
        assert!(page.headers.contains(header), "{header}: {}", page.headers);
    }
    for asset in ["pairing.js", "pairing.css", "icon.svg"] {
        assert!(page.body.contains(asset), "{}", page.body);
        assert_eq!(desk.get(&format!("/assets/{asset}")).await?.status, 200, "{asset}");
    }
    assert!(!page.body.contains("style=") && !page.body.contains("onclick"), "{}", page.body);
    Ok(())
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_cut_off() -> Result<()> {
    let fleet = desk::fleet(0).await?;
    let desk = Desk::start(&fleet, &[])?;
    let address = desk.page.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /p/state HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{{"
    );
    let begin = Instant::now();
    stream.write_all(head.as_bytes()).await?;
    let mut answer = vec![0; 20];
    stream.read_exact(&mut answer).await?;
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    Ok(())
}
