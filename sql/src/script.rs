//! The script of `CREATE EXTENSION`.

use crate::part::{PARTS, Part, Target};

/// The version that these files are.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text of `pg_wabridges--VERSION.sql`.
#[must_use]
pub fn extension() -> String {
    let parts = PARTS.iter().filter(|part| part.is_for(Target::Extension)).map(Part::sql);
    let mut script = "\\echo Use \"CREATE EXTENSION pg_wabridges\" to load this file. \\quit\n".to_owned();
    for part in parts {
        script.push('\n');
        script.push_str(&part);
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_every_part_of_the_extension() {
        let script = extension();
        for part in PARTS {
            assert_eq!(script.contains(part.text), part.is_for(Target::Extension), "{}", part.file);
        }
    }
}
