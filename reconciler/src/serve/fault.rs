//! Why there is no page.

/// The reason, in words for the reader.
#[derive(Debug)]
pub enum Fault {
    /// A part of the address is wrong: what would be right.
    BadRequest(String),
    /// There is no such thing.
    NotFound(String),
    /// The database has no answer, and had none before.
    Unavailable(String),
}
