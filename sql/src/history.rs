//! Builds the upgrade script from each frozen version to the present one.

use std::fmt;

use crate::frozen::FROZEN;
use crate::part::Target;
use crate::script::{VERSION, extension, plain, plain_of};
use crate::upgrade::upgrade;

/// The handwritten changes of tables between two versions: from, to, and the file of `sql/upgrade/`. Oldest first.
const BY_HAND: &[(&str, &str, &str)] = &[("0.2.0", "0.3.0", include_str!("../upgrade/0.2.0--0.3.0.sql"))];

/// The versions that can be upgraded to the present one, oldest first.
#[must_use]
pub fn versions() -> Vec<&'static str> {
    FROZEN.iter().map(|(version, _)| *version).filter(|version| *version != VERSION).collect()
}

/// Why no upgrade script from a version can be built.
#[derive(Debug, PartialEq, Eq)]
pub enum NoUpgrade {
    /// The install script of this version was never frozen.
    Unknown,
    /// These differences, one a line, need a file in `sql/upgrade/`.
    ByHand(String),
}

impl fmt::Display for NoUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("this version was never frozen: run make freeze when it is released")
            }
            Self::ByHand(why) => {
                write!(
                    f,
                    "write a file sql/upgrade/OLD--NEW.sql and list it in sql/src/history.rs, because:\n{why}"
                )
            }
        }
    }
}

/// The install script of a frozen version.
///
/// # Errors
/// [`NoUpgrade::Unknown`] if the version was never frozen.
pub fn frozen(version: &str, target: Target) -> Result<String, NoUpgrade> {
    let (_, script) = FROZEN.iter().find(|(frozen, _)| *frozen == version).ok_or(NoUpgrade::Unknown)?;
    Ok(match target {
        Target::Extension => (*script).to_owned(),
        Target::Plain => plain_of(script, version),
    })
}

/// The script that upgrades the objects of a frozen version to the present version.
///
/// # Errors
/// [`NoUpgrade::Unknown`] if the version was never frozen, [`NoUpgrade::ByHand`] if a file of `sql/upgrade/` is missing.
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
    fn every_frozen_version_can_be_upgraded() {
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
