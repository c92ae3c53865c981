//! The way from every frozen version to this one.

use std::fmt;

use crate::frozen::FROZEN;
use crate::part::Target;
use crate::script::{VERSION, extension, plain, plain_of};
use crate::upgrade::upgrade;

/// What became of the tables between two versions, written by hand: from, to, and the file of `sql/upgrade/`. Oldest first.
const BY_HAND: &[(&str, &str, &str)] = &[("0.2.0", "0.3.0", include_str!("../upgrade/0.2.0--0.3.0.sql"))];

/// The versions that this one is upgraded from, oldest first.
#[must_use]
pub fn versions() -> Vec<&'static str> {
    FROZEN.iter().map(|(version, _)| *version).filter(|version| *version != VERSION).collect()
}

/// Why there is no way from a version to this one.
#[derive(Debug, PartialEq, Eq)]
pub enum NoUpgrade {
    /// Its script was never frozen.
    Unknown,
    /// These differences take a file of `sql/upgrade/`.
    ByHand(String),
}

impl fmt::Display for NoUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("this version was never frozen: make freeze"),
            Self::ByHand(why) => {
                write!(f, "this takes a file sql/upgrade/OLD--NEW.sql, listed in sql/src/history.rs:\n{why}")
            }
        }
    }
}

/// The script of a frozen version.
pub fn frozen(version: &str, target: Target) -> Result<String, NoUpgrade> {
    let (_, script) = FROZEN.iter().find(|(frozen, _)| *frozen == version).ok_or(NoUpgrade::Unknown)?;
    Ok(match target {
        Target::Extension => (*script).to_owned(),
        Target::Plain => plain_of(script, version),
    })
}

/// The script that turns the objects of a frozen version into those of this one.
pub fn upgrade_from(version: &str, target: Target) -> Result<String, NoUpgrade> {
    let old = frozen(version, target)?;
    let new = match target {
        Target::Extension => extension(),
        Target::Plain => plain(),
    };
    let known = versions();
    let later = known.iter().skip_while(|known| **known != version);
    let by_hand: Vec<&str> = later
        .flat_map(|from| BY_HAND.iter().filter(move |(old, _, _)| old == from))
        .map(|(_, _, script)| *script)
        .collect();
    let by_hand = (!by_hand.is_empty()).then(|| by_hand.concat());
    upgrade(&old, &new, by_hand.as_deref()).map_err(NoUpgrade::ByHand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"))) else {
            return vec![];
        };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_file_is_listed() {
        let mut frozen: Vec<_> =
            FROZEN.iter().map(|(version, _)| format!("pg_wabridges--{version}.sql")).collect();
        frozen.sort();
        assert_eq!(frozen, files("versions"));
        let by_hand: Vec<_> = BY_HAND.iter().map(|(old, new, _)| format!("{old}--{new}.sql")).collect();
        assert_eq!(by_hand, files("upgrade"));
    }

    #[test]
    fn there_is_a_way_from_every_frozen_version() {
        for version in versions() {
            for target in [Target::Extension, Target::Plain] {
                if let Err(error) = upgrade_from(version, target) {
                    panic!("{version}: {error}");
                }
            }
        }
        assert_eq!(upgrade_from("0.0.1", Target::Plain), Err(NoUpgrade::Unknown));
    }
}
