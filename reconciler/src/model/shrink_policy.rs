//! Whether an empty or sharply shrunken listing is stored.

/// Whether an empty or sharply shrunken listing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShrinkPolicy {
    /// It is refused.
    Refuse,
    /// An empty listing is stored, as long as no bridge is known yet.
    FirstRun,
    /// It is stored: bridges that are missing from it are gone.
    Allow,
}
