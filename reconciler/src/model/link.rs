//! Pairing links, and what became of each tenant for which one was to be made.

use std::fmt;

use chrono::{DateTime, Utc};

/// A pairing link. It gives access to the tenant's session, so it has no Display and Debug hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// The link that the database returned.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The link, to hand it out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(...)")
    }
}

/// A link that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeLink {
    /// The link.
    pub link: Link,
    /// When it expires.
    pub valid_until: DateTime<Utc>,
}

/// Why no link was made for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRefusal {
    /// The reason.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// What became of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The tenant's id as text.
    pub tenant_id: String,
    /// The link, or why there is none.
    pub made: Result<MadeLink, LinkRefusal>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_link() {
        let made =
            MadeLink { link: Link::new("https://x/p#secret".into()), valid_until: DateTime::UNIX_EPOCH };
        assert!(!format!("{made:?}").contains("secret"), "{made:?}");
    }
}
