//! The names by which the page may be addressed: those of its address, and those of wab_policy.pairing_url.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use crate::serve::access::{names_of, without_port};
use crate::serve::pairing::desk::Desk;

/// wab_policy is read again after this time, and after a failure.
const EVERY: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(3);

/// The names, in lower case and without a port.
#[derive(Debug)]
pub struct PageHosts {
    listening: BTreeSet<String>,
    stored: Mutex<Option<String>>,
    /// When wab_policy may be read again. Held while it is read, so that one request reads it for all.
    next: tokio::sync::Mutex<Option<Instant>>,
}

impl PageHosts {
    /// The names for a page that listens here.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listening: names_of(listen), stored: Mutex::default(), next: tokio::sync::Mutex::default() }
    }

    /// Whether the page may be addressed by this name, which may have a port.
    pub async fn know(&self, host: &str, desk: &Desk) -> bool {
        let name = without_port(host).to_lowercase();
        if self.listening.contains(&name) || self.is_stored(&name) {
            return true;
        }
        let mut next = self.next.lock().await;
        if next.is_none_or(|next| next <= Instant::now()) {
            let wait = match desk.pairing_url().await {
                Ok(url) => {
                    *self.stored.lock().unwrap_or_else(PoisonError::into_inner) =
                        url.as_deref().and_then(host_of);
                    EVERY
                }
                Err(error) => {
                    desk.account.complain(&error);
                    AGAIN
                }
            };
            *next = Some(Instant::now() + wait);
        }
        self.is_stored(&name)
    }

    fn is_stored(&self, name: &str) -> bool {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(name)
    }
}

fn host_of(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host_str()?.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_address() {
        for (url, host) in [
            ("https://Pair.Example.com/p", Some("pair.example.com")),
            ("https://pair.example.com:8443/a/p", Some("pair.example.com")),
            ("https://[2001:db8::1]/p", Some("[2001:db8::1]")),
            ("nonsense", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}
