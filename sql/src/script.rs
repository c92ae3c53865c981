//! Concatenates the parts into install scripts, each part below a comment line that names it.

use crate::object::Object;
use crate::part::{PARTS, Part, Target};
use crate::split::statements;

/// The version of these files.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The start of the line that names a part.
const PART: &str = "-- sql/";
/// The end of that line for a part that `wab init --sql-only` does not include.
const OF_EXTENSION: &str = " (extension)";

/// The text of `pg_wabridges--VERSION.sql`.
#[must_use]
pub fn extension() -> String {
    "\\echo Use \"CREATE EXTENSION pg_wabridges\" to load this file. \\quit\n".to_owned()
        + &script(Target::Extension)
}

/// The script that `wab init --sql-only` runs, after replacing `@extschema@` with the schema.
#[must_use]
pub fn plain() -> String {
    script(Target::Plain)
}

fn script(target: Target) -> String {
    let part = |part: &Part| {
        let flag = if part.only == Some(Target::Extension) { OF_EXTENSION } else { "" };
        format!("\n{PART}{}{flag}\n{}", part.file, part.sql().replace("@version@", VERSION))
    };
    PARTS.iter().filter(|part| part.is_for(target)).map(part).collect()
}

/// The objects of [`plain`] without their comments, for a copy that one transaction makes and removes.
#[must_use]
pub fn without_comments() -> String {
    let plain = plain();
    let statements = statements(&plain).into_iter();
    let lasting = statements.filter(|statement| !matches!(Object::of(statement), Object::Comment { .. }));
    lasting.map(|statement| format!("{statement};\n")).collect()
}

/// The script that `wab init --sql-only` of a version ran, derived from its extension script. The parts that only the plain
/// script has are taken from the present version.
pub(crate) fn plain_of(extension: &str, version: &str) -> String {
    let mut is_for_both = true;
    let keep = |line: &&str| {
        if line.starts_with(PART) {
            is_for_both = !line.trim_end().ends_with(OF_EXTENSION);
        }
        is_for_both
    };
    // The first part says which functions were there before; nothing is needed for the version.
    let is_first = |part: &&Part| part.text.contains("@version@") || part.file == PARTS[0].file;
    let plain_only = PARTS.iter().filter(|part| part.only == Some(Target::Plain));
    let (first, last): (Vec<_>, Vec<_>) = plain_only.partition(is_first);
    let sql = |parts: Vec<&Part>| parts.into_iter().map(Part::sql).collect::<String>();
    sql(first).replace("@version@", version)
        + &extension.split_inclusive('\n').filter(keep).collect::<String>()
        + &sql(last)
}

/// The CREATE TABLE statements of a script.
#[must_use]
pub fn tables(script: &str) -> String {
    let statements = statements(script).into_iter();
    let tables = statements.filter(|statement| matches!(Object::of(statement), Object::Table { .. }));
    tables.map(|table| format!("{table}\n;\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_has_its_parts() {
        for (script, target) in [(extension(), Target::Extension), (plain(), Target::Plain)] {
            for part in PARTS.iter().filter(|part| part.file != "version.sql") {
                assert_eq!(script.contains(part.text), part.is_for(target), "{}", part.file);
            }
        }
        assert!(plain().contains(&format!("RETURN '{VERSION}';")));
    }

    #[test]
    fn the_plain_parts_of_an_extension_are_found_again() {
        let (found, plain) = (plain_of(&extension(), VERSION), plain());
        let sorted = |script: &str| {
            let mut statements: Vec<String> = statements(script).into_iter().map(str::to_owned).collect();
            statements.sort();
            statements
        };
        assert_eq!(sorted(&found), sorted(&plain));
        assert!(sorted(&found).len() > 100);
    }

    #[test]
    fn tables_are_only_tables() {
        let tables = tables(&plain());
        assert!(statements(&tables).len() > 8 && !tables.contains("CREATE INDEX"), "{tables}");
    }
}
