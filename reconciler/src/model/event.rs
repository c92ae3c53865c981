//! A webhook event.

/// What the provider posted about a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The customer_ref in the address.
    pub customer_ref: String,
    /// The body: JSON, which may hold a phone number.
    pub body: String,
}
