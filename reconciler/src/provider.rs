//! Calls to the provider, and reading QR codes.

pub mod client;
pub mod scan;
