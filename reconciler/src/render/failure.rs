//! Why a verb came to no result, as text.

use std::error::Error as _;

use crate::model::Error;

/// What is below the error, from top to bottom.
pub fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The error, what is below it, and what to do about it.
pub fn told(error: &Error) -> String {
    let mut told = format!("error: {error}");
    for cause in causes(error) {
        told += &format!("\n  because: {cause}");
    }
    if let Some(hint) = error.hint() {
        told += &format!("\nhint: {hint}");
    }
    told
}
