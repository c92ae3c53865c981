//! The ground floor: words, numbers, times, digests, versions and exit codes. It knows nothing of fleets.

pub mod exit;
pub mod money;
pub mod number;
pub mod sha256;
pub mod span;
pub mod text;
pub mod version;
