//! Who may see the board: the Host header, the token, and the identity that a trusted proxy vouches for.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::serve::server::Peer;
use crate::serve::token::Token;

/// The header in which a proxy names the user that it authenticated.
const USER: &str = "x-forwarded-user";
/// Answered without a token: they say whether the process works, and nothing about the fleet.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// The rules.
#[derive(Clone, Debug)]
pub struct Access {
    /// `None`: everybody who reaches the port, which is only open to this machine.
    pub token: Option<Token>,
    /// Proxies that authenticate their users.
    pub trusted_proxies: Vec<IpAddr>,
    /// The names of this server, in lower case and without a port. A request with another name in Host is refused: an attacker
    /// can make a name of his own point here (DNS rebinding).
    pub hosts: BTreeSet<String>,
}

impl Access {
    /// The rules for a server that listens here.
    pub fn new(
        listen: SocketAddr,
        token: Option<Token>,
        hosts: &[String],
        trusted_proxies: Vec<IpAddr>,
    ) -> Self {
        let mut names = names_of(listen);
        names.extend(hosts.iter().map(|host| host.to_lowercase()));
        Self { token, trusted_proxies, hosts: names }
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) => self.hosts.contains(&without_port(host).to_lowercase()),
            _ => false,
        }
    }

    fn admits(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let Some(token) = &self.token else { return true };
        let is_proxy = self.trusted_proxies.contains(&peer.to_canonical());
        let names_user = headers.get(USER).is_some_and(|user| !user.is_empty());
        (is_proxy && names_user) || password(headers).is_some_and(|given| token.is(&given))
    }
}

/// The names of a server that listens here.
pub fn names_of(listen: SocketAddr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if listen.ip().is_loopback() {
        names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
    }
    if !listen.ip().is_unspecified() {
        names.insert(match listen.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    names
}

/// The middleware.
pub async fn admit(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    if !access.knows(request.headers()) {
        let text = "This server is not known by that name. Start wab serve with --host NAME to allow it.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    if !peer.is_some_and(|peer| access.admits(request.headers(), peer)) {
        let ask = [(WWW_AUTHENTICATE, "Basic realm=\"wab\", charset=\"UTF-8\"")];
        return (StatusCode::UNAUTHORIZED, ask, "The token is the password; any user name will do.\n")
            .into_response();
    }
    next.run(request).await
}

/// The password of Basic, or the token of Bearer.
fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, given) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// The name in a Host header.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(listen: &str, hosts: &[&str]) -> Access {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Access::new(listen.parse().unwrap(), None, &hosts, Vec::new())
    }

    #[test]
    fn only_known_names_are_answered() {
        let board = access("127.0.0.1:8787", &["Board.example.com"]);
        for (host, known) in [
            ("localhost:8787", true),
            ("127.0.0.1", true),
            ("[::1]:8787", true),
            ("BOARD.example.com:443", true),
            ("evil.example.com", false),
            ("localhost.evil.example.com", false),
            ("", false),
            (":8787", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
            assert_eq!(board.knows(&headers), known, "{host}");
        }
        assert!(!board.knows(&HeaderMap::new()));
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(!board.knows(&headers), "two Host headers");
        assert!(access("0.0.0.0:80", &[]).hosts.is_empty());
        assert_eq!(access("[2001:db8::1]:80", &[]).hosts, BTreeSet::from(["[2001:db8::1]".to_owned()]));
    }

    #[test]
    fn the_password_is_that_of_basic_or_the_word_after_bearer() {
        let given = |value: &str| {
            password(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]))
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(given(&basic("any:a:b")).as_deref(), Some("a:b"));
        assert_eq!(given("bearer abc").as_deref(), Some("abc"));
        for wrong in [basic("nothing"), "Basic %%".into(), "Digest abc".into(), "abc".into()] {
            assert_eq!(given(&wrong), None, "{wrong}");
        }
    }
}
