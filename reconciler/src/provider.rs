//! Calls to the provider.

pub mod client;
