//! The policy for a listing that is empty or much smaller than the last one.

/// Whether `wab` stores a listing that is empty or much smaller than the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShrinkPolicy {
    /// Refuse such a listing.
    Refuse,
    /// Store an empty listing if the database holds no live bridge yet.
    FirstRun,
    /// Store it: bridges that are missing from it count as gone.
    Allow,
}
