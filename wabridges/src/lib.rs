//! A client of the provider's API.
//!
//! * [`ReadClient`] only reads, [`Client`] also writes; a [`ReadClient`] cannot be converted to a [`Client`].
//! * Every call has a deadline, a size cap and a place in the [`Throttle`]; see [`Config`].
//! * [`Error`] has one variant per case that a caller handles differently.

mod alert;
mod api_key;
mod call;
mod cause;
mod client;
mod config;
mod difference;
mod error;
pub mod flat;
#[cfg(test)]
mod fuzz;
mod limits;
mod listing;
mod phone;
mod place;
mod poll;
mod provision;
pub mod qr;
mod request;
mod retry;
mod row;
mod sender;
pub mod sha256;
mod throttle;
mod transport;
mod types;
mod visible;
mod webhook_keys;

pub use alert::{AlertUrl, InvalidAlertUrl, Receiver, Undelivered};
pub use api_key::{ApiKey, InvalidApiKey};
pub use client::{Client, ReadClient};
pub use config::{ApiUrl, Config, InvalidApiUrl, InvalidProxyUrl, ProxyUrl};
pub use difference::{Comparison, Difference, Known, Touched};
pub use error::{Cause, Error, Phase};
pub use limits::{Class, InvalidLimit, Limit, Limits};
pub use phone::{InvalidPhone, Phone};
pub use poll::{PollBudget, Polled};
pub use provision::{Made, resolve};
pub use request::url_encode;
pub use throttle::Throttle;
pub use types::{
    Bridge, BridgeDetail, BridgeId, CustomerRef, InvalidBridgeId, InvalidCustomerRef, Listing, MalformedRow,
    Manager, PairingCode, Provisioned, Session,
};
pub use visible::{in_quotes, looks_like_itself};
pub use webhook_keys::{InvalidWebhookKeys, NoWebhookKeys, WebhookKeys, WebhookUrl};
