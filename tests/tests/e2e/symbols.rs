//! Tests that the library contains exactly the functions that the installed objects of this version or an older one call.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::process;
use install_sql::Target;

/// The prefix of the second symbol that PostgreSQL looks up for each compiled function.
const INFO: &str = "pg_finfo_";

#[test]
fn every_compiled_function_is_declared_and_every_declared_one_compiled() -> Result<()> {
    let cluster = Cluster::start(&[])?;
    cluster.sql("postgres", "CREATE EXTENSION pg_wabridges")?;
    let declared = "SELECT p.prosrc FROM pg_proc p WHERE p.probin = 'pg_wabridges'";
    let declared = cluster.sql("postgres", declared)?;
    let declared: BTreeSet<&str> = declared.lines().collect();
    let folder = cluster.sql("postgres", "SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'")?;
    let library = Path::new(&folder).join("pg_wabridges.so");
    let symbols = process::must(Command::new("nm").args(["--dynamic", "--defined-only"]).arg(library))?;
    let symbols: BTreeSet<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    let callable: BTreeSet<&str> = symbols.iter().filter_map(|symbol| symbol.strip_prefix(INFO)).collect();
    callable.first().context("the library has no function")?;
    // Objects of an older version call the new library until ALTER EXTENSION UPDATE.
    let mut needed: BTreeSet<String> = declared.iter().map(|&symbol| symbol.to_owned()).collect();
    for version in install_sql::versions() {
        let old = install_sql::frozen(version, Target::Extension).map_err(|why| anyhow::anyhow!("{why}"))?;
        let declared = old.split("'MODULE_PATHNAME', '").skip(1);
        needed.extend(declared.filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())));
    }
    assert_eq!(needed, callable.iter().map(|&symbol| symbol.to_owned()).collect());
    assert!(callable.is_subset(&symbols), "{callable:?}");
    Ok(())
}
