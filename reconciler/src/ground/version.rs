//! Version numbers of the form `major.minor.patch`, and their order.

use std::fmt;
use std::str::FromStr;

/// `major.minor.patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

/// The version of this wab.
pub const OURS: &str = env!("CARGO_PKG_VERSION");

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<u32> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match (<[u32; 3]>::try_from(numbers), text.split('.').count()) {
            (Ok(numbers), 3) => Ok(Self(numbers)),
            _ => Err(format!("{text:?} is not a version: write three numbers, such as {OURS}")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_are_ordered_as_such() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("0.9.1") < version("0.10.0") && version("1.0.0") > version("0.99.99"));
        assert_eq!(version(OURS).to_string(), OURS, "this wab's own is one");
        for text in ["", "1.2", "1.2.3.4", "1.2.x", "1.2.3-rc1", "-1.2.3"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
