//! Asks cargo which crates are linked into the shipped files, without those that only tests, build scripts and macros use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The two shipped files, and the flags by which cargo finds what is linked into them. No dependency differs by major.
const SHIPPED: &[(&str, &[&str])] = &[
    ("wab", &["-p", "reconciler"]),
    ("pg_wabridges", &["-p", "pg_wabridges", "--no-default-features", "--features", "pg15"]),
];

/// The list is made for one platform, so that it is the same wherever it is made.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A crate that is linked into a shipped file.
#[derive(Debug)]
pub struct Linked {
    pub name: String,
    pub version: String,
    /// The licences that it offers, as an expression of SPDX.
    pub licence: String,
    /// The folder with its source.
    pub folder: PathBuf,
    /// The shipped files that contain it.
    pub shipped_in: BTreeSet<&'static str>,
}

/// The crates of others that are linked into `wab` or the extension, by name and version.
///
/// # Errors
/// If cargo cannot be run in the folder, or answers in another form.
pub fn linked(workspace: &Path) -> Result<Vec<Linked>> {
    let known = known(workspace)?;
    let mut found: BTreeMap<String, Linked> = BTreeMap::new();
    for (shipped, flags) in SHIPPED {
        let tree = ["tree", "--locked", "--target", PLATFORM, "--edges", "normal,no-proc-macro"];
        let form = ["--prefix", "none", "--format", "{p}"];
        for line in cargo(workspace, &[&tree[..], &form[..], flags].concat())?.lines() {
            let Some(package) = package(line).filter(|package| known.contains_key(*package)) else {
                continue;
            };
            let (name, version) = package.split_once(" v").unwrap_or((package, ""));
            let (licence, folder) = known[package].clone();
            found
                .entry(package.to_owned())
                .or_insert_with(|| Linked {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    licence,
                    folder,
                    shipped_in: BTreeSet::new(),
                })
                .shipped_in
                .insert(shipped);
        }
    }
    Ok(found.into_values().collect())
}

/// `name v1.2.3` of a line such as `name v1.2.3 (*)`.
fn package(line: &str) -> Option<&str> {
    let version = line.find(" v")? + 1;
    let length = line[version..].find(' ').map_or(line.len(), |space| version + space);
    line.get(..length)
}

/// The licence and the folder of every crate that is not of this workspace.
fn known(workspace: &Path) -> Result<BTreeMap<String, (String, PathBuf)>> {
    let flags = ["metadata", "--locked", "--format-version", "1", "--filter-platform", PLATFORM];
    let metadata: Value = serde_json::from_str(&cargo(workspace, &flags)?)?;
    let packages =
        metadata["packages"].as_array().ok_or_else(|| Error::other("cargo metadata without packages"))?;
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let crates = packages.iter().filter(|package| !package["source"].is_null()).map(|package| {
        let manifest = PathBuf::from(text(package, "manifest_path"));
        let name = format!("{} v{}", text(package, "name"), text(package, "version"));
        (name, (text(package, "license"), manifest.with_file_name("")))
    });
    Ok(crates.collect())
}

fn cargo(workspace: &Path, flags: &[&str]) -> Result<String> {
    let output = Command::new("cargo").args(flags).current_dir(workspace).output()?;
    if !output.status.success() {
        return Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    String::from_utf8(output.stdout).map_err(Error::other)
}
