//! Defines the configuration of a client. The caller reads the values from files or settings.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

use crate::Limits;

/// The provider's address, and the limits on time, size and rate of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The base address.
    pub api_url: ApiUrl,
    /// A PEM file of CA certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy for all calls. No proxy is taken from the environment.
    pub proxy: Option<ProxyUrl>,
    /// Time limit for name lookup, TCP and TLS together. Default 5 s.
    pub connect_timeout: Duration,
    /// Time limit for one call with all its attempts and the pauses between them, without its wait for the throttle. Default
    /// 30 s.
    pub request_timeout: Duration,
    /// The largest accepted answer, in bytes after decompression. Default 256 MiB.
    pub max_response_size: u64,
    /// The provider's rate limits. Default: the published ones.
    pub limits: Limits,
    /// The sum of the waits that one call accepts after 429 answers. Default 30 s.
    pub rate_limit_patience: Duration,
}

impl Config {
    /// The defaults, for this address.
    pub fn new(api_url: ApiUrl) -> Self {
        Self {
            api_url,
            ca_file: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            max_response_size: 256 * 1024 * 1024,
            limits: Limits::default(),
            rate_limit_patience: Duration::from_secs(30),
        }
    }
}

/// The provider's address. The API key is sent there, so it is https, or http to the same machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiUrl(Url);

/// Why a text cannot be an [`ApiUrl`]. The error does not contain the text, because it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidApiUrl {
    /// The text is not an absolute URL.
    #[error("the API URL is not an absolute URL ({0}): write it like https://wabridges.com")]
    Syntax(url::ParseError),
    /// The scheme is neither http nor https, or the host is missing.
    #[error("the API URL must start with https:// and name a host")]
    Scheme,
    /// The URL is http to another machine, so the key would be sent unencrypted.
    #[error("the API URL must be https: plain http is for localhost, 127.0.0.0/8 and [::1] only")]
    Plain,
    /// The URL has a user name or a password.
    #[error("the API URL must not hold a user name or a password: configure the API key separately")]
    UserInfo,
    /// The URL has a `?query` or a `#fragment`.
    #[error("the API URL must not have a query or a fragment: only a path may follow the host")]
    Suffix,
    /// The URL has a character that is valid in a URL but not in an HTTP request.
    #[error("the API URL has a character that no request can hold: write it percent-encoded")]
    Character,
}

impl ApiUrl {
    /// Accepts an absolute https URL, or http to the loopback, with or without a path.
    ///
    /// # Errors
    /// [`InvalidApiUrl`] names the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidApiUrl> {
        let url = Url::parse(text.trim()).map_err(InvalidApiUrl::Syntax)?;
        match (url.scheme(), url.host()) {
            (_, None) => Err(InvalidApiUrl::Scheme),
            ("http", Some(host)) if !is_loopback(&host) => Err(InvalidApiUrl::Plain),
            ("http" | "https", _) if !url.username().is_empty() || url.password().is_some() => {
                Err(InvalidApiUrl::UserInfo)
            }
            ("http" | "https", _) if url.query().is_some() || url.fragment().is_some() => {
                Err(InvalidApiUrl::Suffix)
            }
            ("http" | "https", _) if url.as_str().parse::<http::Uri>().is_err() => {
                Err(InvalidApiUrl::Character)
            }
            ("http" | "https", _) => Ok(Self(url)),
            _ => Err(InvalidApiUrl::Scheme),
        }
    }

    /// The host and port that calls go to.
    pub(crate) fn place(&self) -> String {
        place(&self.0)
    }

    /// Whether calls are encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// An HTTP proxy, through which an encrypted connection to the provider is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl(Url);

/// Why a text cannot be a [`ProxyUrl`]. The error does not contain the text, because it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidProxyUrl {
    /// The text is not `http://host:port` or `https://host:port`.
    #[error("must be the address of an HTTP proxy, like http://proxy.example.com:3128")]
    Syntax,
    /// The URL has a user name or a password.
    #[error("must not hold a user name or a password: use a proxy that this machine may use without one")]
    UserInfo,
}

impl ProxyUrl {
    /// Accepts `http://host:port` and `https://host:port`.
    ///
    /// # Errors
    /// [`InvalidProxyUrl`] names the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidProxyUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidProxyUrl::Syntax)?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        match (url.scheme(), url.host()) {
            ("http" | "https", Some(_)) if !url.username().is_empty() || url.password().is_some() => {
                Err(InvalidProxyUrl::UserInfo)
            }
            ("http" | "https", Some(_)) if is_plain => Ok(Self(url)),
            _ => Err(InvalidProxyUrl::Syntax),
        }
    }

    /// The host and port of the proxy.
    pub fn place(&self) -> String {
        place(&self.0)
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl FromStr for ProxyUrl {
    type Err = InvalidProxyUrl;

    fn from_str(text: &str) -> Result<Self, InvalidProxyUrl> {
        Self::parse(text)
    }
}

pub(crate) fn place(url: &Url) -> String {
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => Ipv4Addr::is_loopback(address),
        Host::Ipv6(address) => Ipv6Addr::is_loopback(address),
    }
}

impl FromStr for ApiUrl {
    type Err = InvalidApiUrl;

    fn from_str(text: &str) -> Result<Self, InvalidApiUrl> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ApiUrl {
    type Error = InvalidApiUrl;

    fn try_from(text: String) -> Result<Self, InvalidApiUrl> {
        Self::parse(&text)
    }
}

impl From<ApiUrl> for String {
    fn from(url: ApiUrl) -> Self {
        url.as_str().to_owned()
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_the_loopback_are_accepted() {
        for (text, shown) in [
            ("https://wabridges.com", "https://wabridges.com"),
            ("https://proxy.example/wa/", "https://proxy.example/wa"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.9.9.9:1/", "http://127.9.9.9:1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(ApiUrl::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_proxy_is_an_address_and_nothing_else() {
        for (text, shown) in [
            ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
            (" https://proxy.example.com/ ", "https://proxy.example.com"),
            ("http://[::1]:3128", "http://[::1]:3128"),
        ] {
            assert_eq!(ProxyUrl::parse(text).unwrap().as_str(), shown);
        }
        for text in
            ["", "proxy.example.com:3128", "socks5://proxy:1080", "http://proxy/path", "http://proxy?x"]
        {
            assert_eq!(ProxyUrl::parse(text), Err(InvalidProxyUrl::Syntax), "{text}");
        }
        assert_eq!(ProxyUrl::parse("http://me:s3cret@proxy:3128"), Err(InvalidProxyUrl::UserInfo));
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = |text: &str| ApiUrl::parse(text).unwrap_err();
        for text in ["", "wabridges.com", "/api"] {
            assert!(matches!(refused(text), InvalidApiUrl::Syntax(_)), "{text}");
        }
        for text in ["ftp://wabridges.com", "file:///etc/passwd", "data:text/plain,x", "localhost:8080"] {
            assert_eq!(refused(text), InvalidApiUrl::Scheme, "{text}");
        }
        for text in
            ["http://wabridges.com", "http://localhost.evil.example", "http://10.0.0.1", "http://[::2]"]
        {
            assert_eq!(refused(text), InvalidApiUrl::Plain, "{text}");
        }
        assert_eq!(refused("https://user@wabridges.com"), InvalidApiUrl::UserInfo);
        assert_eq!(refused("https://:pw@wabridges.com"), InvalidApiUrl::UserInfo);
        assert_eq!(refused("https://wabridges.com?x"), InvalidApiUrl::Suffix);
        assert_eq!(refused("https://wabridges.com/#x"), InvalidApiUrl::Suffix);
        assert_eq!(refused("https://wabridges`.com"), InvalidApiUrl::Character);
    }
}
