//! Computes SHA-256 in hex digits.

use sha2::{Digest, Sha256};

/// The SHA-256 of these bytes, as 64 hex digits.
pub fn of(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The SHA-256 of the bytes hashed so far, as 64 hex digits.
pub(crate) fn hex(sha256: Sha256) -> String {
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
