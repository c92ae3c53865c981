//! Posts a document to the receiver of alerts, whose URL is a secret.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::time::timeout;
use url::{Host, Url};

use crate::config::{is_loopback, place};
use crate::error::excerpt;
use crate::{Cause, Config, Error, transport};

/// A shorter part of the URL, such as the version `v1`, is no secret, and occurs in other texts by chance.
const SHORTEST: usize = 6;

/// The receiver's address, such as an incoming webhook. Whoever knows it can write there, so only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertUrl(Url);

/// Why a text cannot be an [`AlertUrl`]. The error never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidAlertUrl {
    /// The text is not an absolute URL that names a host.
    #[error("the receiver's URL is not one: write it like https://hooks.example.com/services/…")]
    Syntax,
    /// The URL is http to another machine, so it would be sent unencrypted.
    #[error("the receiver's URL must be https: plain http is for localhost, 127.0.0.0/8 and [::1] only")]
    Plain,
    /// The URL has a user name or a password.
    #[error("the receiver's URL must not hold a user name or a password")]
    UserInfo,
}

impl AlertUrl {
    /// Accepts an https URL, or http to the loopback. White space around it is left out (files end in a newline).
    ///
    /// # Errors
    /// [`InvalidAlertUrl`] names the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidAlertUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidAlertUrl::Syntax)?;
        match (url.scheme(), url.host()) {
            ("http", Some(host)) if !is_loopback(&host) => Err(InvalidAlertUrl::Plain),
            ("http" | "https", Some(_)) if !url.username().is_empty() || url.password().is_some() => {
                Err(InvalidAlertUrl::UserInfo)
            }
            ("http" | "https", Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
                if url.as_str().parse::<http::Uri>().is_ok() =>
            {
                Ok(Self(url))
            }
            _ => Err(InvalidAlertUrl::Syntax),
        }
    }

    /// The host and port.
    pub fn place(&self) -> String {
        place(&self.0)
    }

    /// The texts that an answer must not show, the longest first: the path, the query, and each of their parts of some length, as
    /// the URL has it and decoded.
    fn secrets(&self) -> Vec<String> {
        let (path, query) = (self.0.path(), self.0.query().unwrap_or_default());
        let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let decoded =
            |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let parts = path.split('/').chain(values).chain([query]);
        let mut secrets: Vec<String> = parts
            .flat_map(|part| [part.to_owned(), decoded(part)])
            .filter(|part| part.len() >= SHORTEST)
            .collect();
        secrets.push(path.to_owned());
        if !query.is_empty() {
            secrets.extend([format!("{path}?{query}"), format!("?{query}")]);
        }
        secrets.retain(|secret| secret != "/");
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets
    }
}

impl fmt::Debug for AlertUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlertUrl({}/…)", self.place())
    }
}

/// Why the receiver does not have the document, or may not have it. No variant holds the URL.
#[derive(Debug, Error)]
pub enum Undelivered {
    /// The request failed, or its answer did not come.
    #[error("the receiver {place} did not answer")]
    NoAnswer {
        /// The host and port.
        place: String,
        /// The failure of name lookup, TCP, TLS or HTTP.
        source: Cause,
    },
    /// The deadline passed.
    #[error("the receiver {place} did not answer within {after:?}")]
    Timeout {
        /// The host and port.
        place: String,
        /// The deadline.
        after: Duration,
    },
    /// The receiver refused the document, or failed.
    #[error("the receiver {place} answered HTTP {status}{}{said}", if .said.is_empty() { "" } else { ": " })]
    Refused {
        /// The host and port.
        place: String,
        /// The HTTP status.
        status: u16,
        /// The start of its answer, at most 200 bytes.
        said: String,
    },
}

impl Undelivered {
    /// The failure and its causes as one text.
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Sends documents to one receiver.
#[derive(Clone, Debug)]
pub struct Receiver {
    http: reqwest::Client,
    url: AlertUrl,
    deadline: Duration,
}

impl Receiver {
    /// Takes the certificates, the proxy and the time limits of the configuration. It opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Config`] if a certificate or the proxy cannot be used.
    pub fn new(url: AlertUrl, config: &Config) -> Result<Self, Error> {
        let http = transport::http_client(config, url.0.scheme() == "http")?;
        Ok(Self { http, url, deadline: config.request_timeout })
    }

    /// Posts a JSON document once. It succeeds if the receiver answers 2xx.
    ///
    /// # Errors
    /// [`Undelivered`]. After all but [`Undelivered::Refused`] the receiver may have the document nevertheless.
    pub async fn post(&self, document: String) -> Result<(), Undelivered> {
        let place = self.url.place();
        let sent = async {
            let request = self.http.post(self.url.0.clone()).header(header::CONTENT_TYPE, "application/json");
            let mut response = request.body(document).send().await?;
            let (status, mut said) = (response.status(), Vec::new());
            while let Some(chunk) = response.chunk().await? {
                said.extend_from_slice(&chunk);
                if said.len() > 1024 {
                    break;
                }
            }
            Ok::<_, reqwest::Error>((status, said))
        };
        match timeout(self.deadline, sent).await {
            Err(_) => Err(Undelivered::Timeout { place, after: self.deadline }),
            Ok(Err(error)) => Err(Undelivered::NoAnswer { place, source: error.without_url().into() }),
            Ok(Ok((status, _))) if status.is_success() => Ok(()),
            Ok(Ok((status, said))) => Err(self.refused(status, &said)),
        }
    }

    /// A receiver may repeat the path or the query of its URL, which are the secret.
    fn refused(&self, status: StatusCode, said: &[u8]) -> Undelivered {
        let said =
            self.url.secrets().iter().fold(String::from_utf8_lossy(said).into_owned(), |said, secret| {
                said.replace(secret, if secret.starts_with('/') { "/…" } else { "…" })
            });
        Undelivered::Refused {
            place: self.url.place(),
            status: status.as_u16(),
            said: excerpt(said.trim().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_url_or_the_loopback_is_accepted_and_only_its_host_is_shown() {
        for (text, place) in [
            ("https://hooks.example.com/services/T0/B0/s3cret\n", "hooks.example.com:443"),
            ("http://127.0.0.1:9000/hook?token=s3cret", "127.0.0.1:9000"),
        ] {
            let url = AlertUrl::parse(text).unwrap();
            assert_eq!(url.place(), place);
            assert_eq!(format!("{url:?}"), format!("AlertUrl({place}/…)"));
        }
    }

    #[test]
    fn everything_else_is_refused_without_being_repeated() {
        for (text, why) in [
            ("", InvalidAlertUrl::Syntax),
            ("hooks.example.com/s3cret", InvalidAlertUrl::Syntax),
            ("ftp://hooks.example.com/", InvalidAlertUrl::Syntax),
            ("http://hooks.example.com/s3cret", InvalidAlertUrl::Plain),
            ("https://me:s3cret@hooks.example.com/", InvalidAlertUrl::UserInfo),
        ] {
            let error = AlertUrl::parse(text).unwrap_err();
            assert_eq!(error, why, "{text}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn an_answer_that_repeats_a_part_of_the_url_does_not_show_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (url, said, shown) in [
            ("T0/s3cret", "no_service at /T0/s3cret\n", "no_service at /…"),
            ("T0/s3cret", "no_service s3cret of T0", "no_service … of T0"),
            ("in?v=1&sig=S3CRET%2F1", "bad /in?v=1&sig=S3CRET%2F1", "bad /…"),
            ("in?v=1&sig=S3CRET%2F1", "the query v=1&sig=S3CRET%2F1 is wrong", "the query … is wrong"),
            ("in?v=1&sig=S3CRET%2F1", "sig S3CRET/1 (S3CRET%2F1) expired on v1", "sig … (…) expired on v1"),
            ("?S3CRET+2", "no key S3CRET 2", "no key …"),
            ("", "no / and no ?", "no / and no ?"),
        ] {
            let url = AlertUrl::parse(&format!("https://hooks.example.com/{url}")).unwrap();
            let receiver = Receiver { http: reqwest::Client::new(), url, deadline: Duration::from_secs(1) };
            let refused = receiver.refused(StatusCode::NOT_FOUND, said.as_bytes());
            assert_eq!(
                refused.to_string(),
                format!("the receiver hooks.example.com:443 answered HTTP 404: {shown}")
            );
        }
    }
}
