//! Tests the client on real sockets against scripted answers: deadlines, size cap, retries, throttle.

#![allow(clippy::panic, clippy::unwrap_used)]

mod server;

use std::error::Error as _;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use wabridges::{
    ApiKey, ApiUrl, BridgeId, Class, Client, Config, CustomerRef, Error, Limits, Phase, Phone, ReadClient,
};

use server::Reply::{Close, Drip, Hang, Reset, Send};
use server::{Server, answer};

const KEY: &str = "sk_test_secret";
const LIST: &str = include_str!("../fixtures/list.json");
const PROVISIONED: &str = include_str!("../fixtures/provision.json");
const PAGE: &str = include_str!("../fixtures/error_page.html");

fn config(port: u16) -> Config {
    Config::new(ApiUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap())
}

fn client(config: Config) -> Client {
    Client::new(config, ApiKey::new(KEY).unwrap()).unwrap()
}

async fn started(script: impl IntoIterator<Item = server::Reply>) -> (Server, Client) {
    let server = Server::start(script).await;
    let client = client(config(server.port));
    (server, client)
}

fn user() -> CustomerRef {
    CustomerRef::new("user-123").unwrap()
}

fn id() -> BridgeId {
    BridgeId::new(42).unwrap()
}

fn ok(body: impl AsRef<[u8]>) -> server::Reply {
    Send(answer("200 OK", body))
}

fn unavailable() -> server::Reply {
    Send(answer("503 Service Unavailable", "down"))
}

fn too_many(header: &str) -> server::Reply {
    Send(answer(&format!("429 Too Many Requests{header}"), r#"{"error":"rate limit exceeded"}"#))
}

fn chain(error: &Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The error below [`Error::Ambiguous`].
fn ambiguous(error: Error) -> Error {
    assert!(error.is_ambiguous() && !error.is_retryable(), "{error:?}");
    match error {
        Error::Ambiguous { source } => *source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plain_call_is_answered() {
    let (server, client) = started([ok(LIST)]).await;
    assert_eq!(client.reader().list().await.unwrap().bridges.len(), 3);
    let request = server.seen().requests[0].to_ascii_lowercase();
    assert!(request.starts_with("get /api/instances http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: bearer {KEY}\r\n")), "{request}");
    assert!(
        request.contains(concat!("user-agent: pg_wabridges/", env!("CARGO_PKG_VERSION"), "\r\n")),
        "{request}"
    );
}

#[tokio::test]
async fn every_method_reaches_its_endpoint() {
    let (detail, session) =
        (include_str!("../fixtures/bridge.json"), include_str!("../fixtures/session_connected.json"));
    let none = || Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let replies = [
        ok(detail),
        ok(session),
        ok(b"\x89PNG\r\n\x1a\n"),
        ok(PROVISIONED),
        ok(r#"{"code":"ABCD-EFGH"}"#),
        none(),
        none(),
    ];
    let (server, client) = started(replies).await;
    let (reader, user) = (client.reader(), user());
    assert_eq!(reader.get(id()).await.unwrap().bridge.id, id());
    assert_eq!(reader.session(&user).await.unwrap().raw_status, "connected");
    assert_eq!(reader.qr(&user).await.unwrap().len(), 8);
    assert_eq!(client.provision(&user, Some("https://x.example/")).await.unwrap().id, id());
    assert_eq!(client.pair(&user, &Phone::new("15550001234").unwrap()).await.unwrap().as_str(), "ABCD-EFGH");
    client.logout(&user).await.unwrap();
    client.delete(id()).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen.requests.len(), seen.connections), (7, 1), "one connection carries them all");
    assert!(seen.requests[3].ends_with(r#"{"customer_ref":"user-123","webhook_url":"https://x.example/"}"#));
}

#[tokio::test]
async fn an_answer_is_cut_off_at_its_cap() {
    let spaces = " ".repeat(2_000);
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n{spaces}\r\n0\r\n\r\n");
    let bomb = include_bytes!("../fixtures/one_mebibyte_of_spaces.gz");
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let script = [
        ok(&spaces),
        Hang(announced),
        Send(chunked.into_bytes()),
        Send(answer("200 OK\r\ncontent-encoding: gzip", bomb)),
    ];
    let server = Server::start(script).await;
    let client = client(Config { max_response_size: 1_999, ..config(server.port) });
    for _ in 0..4 {
        assert!(matches!(client.reader().list().await, Err(Error::TooLarge { limit: 1_999 })));
    }
    assert_eq!(server.seen().requests.len(), 4, "none was repeated");
}

#[tokio::test]
async fn a_compressed_answer_inside_the_cap_is_read() {
    let compressed = include_bytes!("../fixtures/one_mebibyte_of_spaces.gz");
    let server = Server::start([Send(answer("200 OK\r\ncontent-encoding: gzip", compressed))]).await;
    let client = client(Config { max_response_size: 1 << 20, ..config(server.port) });
    let error = client.reader().list().await.unwrap_err();
    assert!(matches!(&error, Error::BadAnswer { what, .. } if what == "the body is empty"), "{error:?}");
}

#[tokio::test]
async fn a_deadline_says_what_was_being_waited_for() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    for (reply, expected) in [
        (Hang(Vec::new()), Phase::Headers),
        (Hang(head[..20].to_vec()), Phase::Headers),
        (Drip(head.to_vec()), Phase::Body),
    ] {
        let server = Server::start([reply]).await;
        let limit = Duration::from_millis(300);
        let reader = client(Config { request_timeout: limit, ..config(server.port) });
        let error = reader.reader().list().await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout { phase, after } if (phase, after) == (expected, limit)),
            "{error:?}"
        );
        server.wait_until("the client hangs up", |seen| seen.hung_up == 1).await;
        assert_eq!(server.seen().requests.len(), 1, "the total deadline ends the call");
    }
}

#[tokio::test]
async fn a_write_without_an_answer_in_time_is_ambiguous() {
    let server = Server::start([Hang(Vec::new())]).await;
    let client = client(Config { request_timeout: Duration::from_millis(200), ..config(server.port) });
    let error = ambiguous(client.provision(&user(), None).await.unwrap_err());
    assert!(matches!(error, Error::Timeout { phase: Phase::Headers, .. }), "{error:?}");
}

/// A socket with a full queue of connections, so that the next connection waits.
async fn full_house() -> (u16, tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let (address, mut waiting) = (listener.local_addr().unwrap(), Vec::new());
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "the queue never fills up");
    }
    (address.port(), listener, waiting)
}

#[tokio::test]
async fn a_connection_that_never_comes_is_a_timeout_before_sending() {
    let (port, _listener, _waiting) = full_house().await;
    let (connect, request) = (Duration::from_millis(100), Duration::from_secs(5));
    let client = client(Config { connect_timeout: connect, request_timeout: request, ..config(port) });
    let started = Instant::now();
    let error = client.reader().list().await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout { phase: Phase::Connect, after } if after == connect),
        "{error:?}"
    );
    assert!(started.elapsed() >= connect * 3, "it was tried three times");
    let error = client.provision(&user(), None).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Connect, .. }), "nothing was sent: {error:?}");
    let slow = Config { connect_timeout: request, request_timeout: connect, ..config(port) };
    let error = self::client(slow).delete(id()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Connect, .. }), "nothing was sent: {error:?}");
}

#[tokio::test]
async fn a_refused_connection_is_told_from_a_lost_answer() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = client(config(closed));
    for error in [client.reader().list().await.unwrap_err(), client.delete(id()).await.unwrap_err()] {
        assert!(matches!(error, Error::Connect { .. }) && error.is_retryable(), "{error:?}");
        let chain = chain(&error);
        assert!(chain.contains("refused") && !chain.contains("/api/"), "{chain}");
    }
    assert_eq!(
        client.reader().duration_for(Class::Other, 120),
        Duration::ZERO,
        "nothing sent, nothing counted"
    );
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_only_for_reading() {
    let truncated = || Close(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[{\"id\":".to_vec());
    let (server, client) = started([Reset, truncated(), ok(LIST)]).await;
    assert_eq!(client.reader().list().await.unwrap().bridges.len(), 3);
    assert_eq!(server.seen().requests.len(), 3);

    let (server, client) = started([Reset, truncated(), truncated(), ok(LIST)]).await;
    let error = client.reader().list().await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(server.seen().requests.len(), 3);
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    let cut = || Close(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\":".to_vec());
    for reply in [Reset, unavailable(), cut(), Close(Vec::new()), ok(PAGE), ok(&PROVISIONED[..20])] {
        let (server, client) = started([ok(LIST), reply, ok(PROVISIONED)]).await;
        client.reader().list().await.unwrap();
        ambiguous(client.provision(&user(), None).await.unwrap_err());
        assert_eq!(server.seen().requests.len(), 2, "also on a connection that was used before");
    }
    let (server, client) = started([Reset, ok("")]).await;
    let error = ambiguous(client.delete(id()).await.unwrap_err());
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    assert_eq!(server.seen().requests.len(), 1);
}

#[tokio::test]
async fn a_failing_provider_is_asked_three_times() {
    let (server, client) = started([unavailable(), unavailable(), ok(LIST)]).await;
    let started_at = Instant::now();
    client.reader().list().await.unwrap();
    assert_eq!(server.seen().requests.len(), 3);
    assert!(started_at.elapsed() >= Duration::from_millis(300), "half of 200 ms and of 400 ms at least");
    let (server, client) = started((0..4).map(|_| unavailable())).await;
    let error = client.reader().list().await.unwrap_err();
    assert!(matches!(&error, Error::Server { status: 503, excerpt } if excerpt == "down"), "{error:?}");
    assert_eq!(server.seen().requests.len(), 3);
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_not_begun() {
    let long = Send(answer("503 Service Unavailable\r\nretry-after: 3600", ""));
    let (server, client) = started([long, ok(LIST)]).await;
    assert!(matches!(client.reader().list().await, Err(Error::Server { status: 503, .. })));
    assert_eq!(server.seen().requests.len(), 1);
}

#[tokio::test]
async fn refusals_are_final_and_mean_that_nothing_was_done() {
    let moved = || Send(answer("307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/login", ""));
    let (server, client) = started([
        moved(),
        moved(),
        Send(answer("401 Unauthorized", "")),
        Send(answer("404 Not Found", "")),
        Send(answer("409 Conflict", "taken")),
    ])
    .await;
    let error = client.reader().list().await.unwrap_err();
    assert!(
        matches!(&error, Error::BadAnswer { status: 307, what, .. } if what.contains("http://127.0.0.1:1/login"))
    );
    let error = client.provision(&user(), None).await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { status: 307, .. }), "{error:?}");
    assert!(matches!(client.provision(&user(), None).await, Err(Error::Auth { status: 401, .. })));
    assert!(matches!(client.delete(id()).await, Err(Error::NotFound { .. })));
    let error = client.provision(&user(), None).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 409, said } if said == "taken"), "{error:?}");
    assert_eq!(server.seen().requests.len(), 5);
}

#[tokio::test]
async fn an_echoed_key_is_never_shown() {
    let echo = format!("{}{KEY} is wrong", "x".repeat(195));
    let location = answer(&format!("302 Found\r\nlocation: /?key={KEY}"), "");
    let row = format!(r#"[{{"id":1,"note":"{KEY}"}},{{"note":"{KEY}"}}]"#);
    let (_server, client) = started([Send(answer("400 Bad Request", echo)), Send(location), ok(row)]).await;
    for _ in 0..2 {
        let error = client.reader().list().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("sk_t") && shown.contains('['), "{shown}");
    }
    let listing = client.reader().list().await.unwrap();
    assert!(!format!("{listing:?} {client:?}").contains(KEY));
}

#[tokio::test]
async fn a_429_is_waited_out_for_reads_and_writes() {
    let (server, client) = started([too_many("\r\nretry-after: 1"), ok(LIST)]).await;
    let began = Instant::now();
    client.reader().list().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().requests.len(), 2);

    let server = Server::start([too_many(""), too_many("\r\nretry-after: soon"), ok(PROVISIONED)]).await;
    let limits = Limits { provision: "1/200ms".parse().unwrap(), ..Limits::default() };
    let client = self::client(Config { limits, ..config(server.port) });
    let began = Instant::now();
    client.provision(&user(), None).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(400), "without a usable Retry-After, a window each");
    assert_eq!(server.seen().requests.len(), 3);
}

#[tokio::test]
async fn patience_ends_a_call_and_spares_the_next_one() {
    let (server, client) = started([too_many("\r\nretry-after: 60"), ok(PROVISIONED)]).await;
    let error = client.reader().list().await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { retry_after } if retry_after.as_secs() >= 59), "{error:?}");
    assert!(matches!(client.delete(id()).await, Err(Error::RateLimited { .. })), "nothing was sent");
    assert_eq!(server.seen().requests.len(), 1);
    client.provision(&user(), None).await.unwrap();

    let server = Server::start((0..9).map(|_| too_many("\r\nretry-after: 1"))).await;
    let client =
        self::client(Config { rate_limit_patience: Duration::from_millis(1_500), ..config(server.port) });
    assert!(matches!(client.reader().list().await, Err(Error::RateLimited { .. })));
    assert_eq!(server.seen().requests.len(), 2, "the waits are added up");
}

#[tokio::test]
async fn clones_share_one_throttle() {
    let server = Server::start((0..3).map(|_| ok(LIST))).await;
    let limits = Limits { other: "2/300ms".parse().unwrap(), ..Limits::default() };
    let client =
        client(Config { limits, request_timeout: Duration::from_millis(200), ..config(server.port) });
    let began = Instant::now();
    let clone: ReadClient = client.reader().clone();
    let (one, two, three) = tokio::join!(client.reader().list(), clone.list(), clone.list());
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "the wait does not count against the deadline");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_counted() {
    let server = Server::start([Hang(Vec::new())]).await;
    let limits = Limits { other: "1/60s".parse().unwrap(), ..Limits::default() };
    let client = client(Config { limits, ..config(server.port) });
    {
        let call = client.delete(id());
        tokio::pin!(call);
        let arrived = server.wait_until("the request", |seen| seen.requests.len() == 1);
        tokio::select! { _ = call => panic!("the server never answers"), () = arrived => {} }
        assert_eq!(server.seen().hung_up, 0);
    }
    server.wait_until("the client hangs up", |seen| seen.hung_up == 1).await;
    assert!(client.reader().duration_for(Class::Other, 1) > Duration::from_secs(50));
}

#[test]
fn proxies_of_the_environment_are_ignored() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_plain_call_is_answered"]).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:1");
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn an_unusable_ca_file_is_named() {
    let unusable = |ca_file: &str| {
        let config = Config { ca_file: Some(ca_file.into()), ..config(1) };
        let error = Client::new(config, ApiKey::new(KEY).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(ca_file), "{error:?}");
    };
    unusable("/nowhere/ca.pem");
    unusable(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/list.json"));
    unusable(env!("CARGO_MANIFEST_DIR"));
}

/// The extension runs calls on another thread than the one that creates them.
#[test]
fn calls_can_be_sent_to_another_thread() {
    fn is_send<T: std::marker::Send>(_: T) {}
    let client = client(config(1));
    is_send(client.reader().list());
    is_send(client.delete(id()));
}

#[tokio::test]
async fn the_providers_clock_is_learnt_from_its_answers() {
    let date = (chrono::Utc::now() + chrono::TimeDelta::hours(2)).format("%a, %d %b %Y %H:%M:%S GMT");
    let dated = Send(answer(&format!("200 OK\r\ndate: {date}"), LIST));
    let (_server, client) = started([ok(LIST), dated]).await;
    let reader = client.reader();
    reader.list().await.unwrap();
    assert_eq!(reader.provider_ahead(), None, "that answer has no Date header");
    reader.list().await.unwrap();
    let minutes = reader.provider_ahead().unwrap().num_minutes();
    assert!((118..=120).contains(&minutes), "{minutes}");
}
