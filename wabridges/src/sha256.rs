//! SHA-256 in hex digits.

use sha2::{Digest, Sha256};

/// The digest of these bytes.
pub fn of(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The digest of what was put in so far.
pub(crate) fn hex(sha256: Sha256) -> String {
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
