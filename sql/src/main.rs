//! Writes the extension's scripts for the Makefile, and freezes the install script of a released version.

use std::io::{Error, Result};
use std::path::Path;

use install_sql::{Target, VERSION, extension, upgrade_from, versions};

const USAGE: &str = "usage: install-sql write FOLDER | install-sql freeze";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => write(Path::new(folder)),
        ["freeze"] => freeze(Path::new(env!("CARGO_MANIFEST_DIR"))),
        _ => Err(Error::other(USAGE)),
    }
}

/// Writes the control file, the install script, and an upgrade script from every frozen version.
fn write(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    let control = include_str!("../../pg_wabridges/pg_wabridges.control").replace("@version@", VERSION);
    std::fs::write(folder.join("pg_wabridges.control"), control)?;
    std::fs::write(folder.join(format!("pg_wabridges--{VERSION}.sql")), extension())?;
    for old in versions() {
        let script = upgrade_from(old, Target::Extension)
            .map_err(|error| Error::other(format!("from {old} to {VERSION}: {error}")))?;
        let guard = format!(
            "\\echo Use \"ALTER EXTENSION pg_wabridges UPDATE TO '{VERSION}'\" to load this file. \\quit\n"
        );
        std::fs::write(folder.join(format!("pg_wabridges--{old}--{VERSION}.sql")), guard + &script)?;
    }
    Ok(())
}

/// Copies the install script of this version to `sql/versions/`, so that later versions can be upgraded from it.
fn freeze(home: &Path) -> Result<()> {
    let folder = home.join("versions");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("pg_wabridges--{VERSION}.sql")), extension())?;
    let mut all = versions();
    all.push(VERSION);
    let line = |version: &&str| {
        format!("    (\"{version}\", include_str!(\"../versions/pg_wabridges--{version}.sql\")),\n")
    };
    let lines: String = all.iter().map(line).collect();
    let list = format!(
        "//! Lists the install scripts of earlier versions. `make freeze` writes this file.\n\n\
         pub(crate) const FROZEN: &[(&str, &str)] = &[\n{lines}];\n"
    );
    std::fs::write(home.join("src/frozen.rs"), list)
}
