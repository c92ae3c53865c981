//! Renders an error as text.

use std::error::Error as _;

use crate::model::Error;

/// The sources of the error, from the outermost to the innermost.
pub fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The error, its sources and its hint.
pub fn describe(error: &Error) -> String {
    let mut text = format!("error: {error}");
    for cause in causes(error) {
        text += &format!("\n  because: {cause}");
    }
    if let Some(hint) = error.hint() {
        text += &format!("\nhint: {hint}");
    }
    text
}
