//! Whether a listing that looks wrong is believed.

/// Whether a listing that looks wrong is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// An empty or sharply shrunken listing is refused.
    No,
    /// The account may be empty: there never was an observation before.
    FirstRun,
    /// Whatever is missing from the listing is really gone.
    AcceptShrink,
}
