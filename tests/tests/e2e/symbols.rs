//! Tests that the library contains exactly the functions that the installed objects call.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::cluster::Cluster;
use e2e::process;

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
    assert_eq!(declared, callable);
    assert!(callable.is_subset(&symbols), "{callable:?}");
    Ok(())
}
