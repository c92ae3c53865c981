//! Sends webhook calls to loopback addresses and records the outcome of each.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};

use crate::change::{Event, EventKind};
use crate::ledger::microseconds;

/// The time in which a receiver must answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One webhook call.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    #[serde(serialize_with = "microseconds")]
    pub at: DateTime<Utc>,
    pub url: String,
    pub event: &'static str,
    pub customer_ref: Option<String>,
    /// `pending`, `delivered <code>`, `refused <code>`, `failed: <why>` or `not sent: <why>`.
    pub outcome: String,
}

/// All webhook calls since the start, in order.
#[derive(Debug, Default)]
pub struct Deliveries(Vec<DeliveryRecord>);

impl Deliveries {
    /// All records, oldest first.
    pub fn all(&self) -> &[DeliveryRecord] {
        &self.0
    }

    /// Records the start of a call and returns its place.
    pub fn start(&mut self, event: &Event, at: DateTime<Utc>) -> usize {
        self.0.push(DeliveryRecord {
            at,
            url: event.url.clone(),
            event: name(&event.kind),
            customer_ref: event.customer_ref.clone(),
            outcome: "pending".to_owned(),
        });
        self.0.len() - 1
    }

    /// Records the outcome of the call at this place.
    pub fn end(&mut self, place: usize, outcome: String) {
        if let Some(record) = self.0.get_mut(place) {
            record.outcome = outcome;
        }
    }
}

/// The HTTP client of webhook calls: no proxy, no redirects, 10 seconds.
#[derive(Clone, Debug)]
pub struct Postman(reqwest::Client);

impl Postman {
    /// Sets up the client; fails only if TLS cannot be set up.
    pub fn new() -> anyhow::Result<Self> {
        // An error means that a crypto provider is already installed, which is equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Loopback receivers use plain HTTP, so reading the machine's certificates would be wasted time.
            .tls_certs_only([])
            .build()
            .context("setting up the webhook client")?;
        Ok(Self(client))
    }

    /// Posts the event to its address and returns the outcome.
    pub async fn post(&self, event: &Event) -> String {
        let url = match loopback(&event.url) {
            Ok(url) => url,
            Err(why) => return format!("not sent: {why}"),
        };
        let body = payload(event).to_string();
        let call = self.0.post(url).header("content-type", "application/json").body(body);
        match call.send().await {
            Ok(answer) if answer.status().is_success() => format!("delivered {}", answer.status().as_u16()),
            Ok(answer) => format!("refused {}", answer.status().as_u16()),
            Err(error) if error.is_timeout() => format!("failed: no answer within {} s", TIMEOUT.as_secs()),
            Err(error) => format!("failed: {:#}", anyhow::Error::new(error.without_url())),
        }
    }
}

fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Connected { .. } => "connected",
        EventKind::Disconnected => "disconnected",
    }
}

fn payload(event: &Event) -> Value {
    let mut payload = json!({ "event": name(&event.kind), "customer_ref": event.customer_ref });
    if let EventKind::Connected { phone } = &event.kind {
        payload["phone"] = json!(phone);
    }
    payload
}

/// The address, if it is on this machine: the invented addresses of demo fleets may belong to real servers.
fn loopback(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|error| format!("webhook_url is not a URL: {error}"))?;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if here {
        Ok(url)
    } else {
        Err("the sandbox calls only loopback addresses (127.0.0.0/8, ::1, localhost)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_called() {
        for url in ["http://127.0.0.1:9/a", "http://127.9.9.9/", "http://[::1]:9/", "http://localhost/x"] {
            assert!(loopback(url).is_ok(), "{url}");
        }
        for url in ["https://app.example.com/h", "http://10.0.0.1/", "http://[::2]/", "nonsense", ""] {
            assert!(loopback(url).is_err(), "{url}");
        }
    }

    #[test]
    fn payloads_have_the_fields_of_the_provider() {
        let kind = EventKind::Connected { phone: "15550000001".to_owned() };
        let mut event = Event { url: String::new(), customer_ref: Some("a".to_owned()), kind };
        let connected = json!({"event": "connected", "customer_ref": "a", "phone": "15550000001"});
        assert_eq!(payload(&event), connected);
        event.kind = EventKind::Disconnected;
        assert_eq!(payload(&event), json!({"event": "disconnected", "customer_ref": "a"}));
    }
}
