//! Calls to the provider. The database is not known here.

pub mod client;
pub mod scan;
