//! Tests that NOTICE, META.json and the licences of the linked crates are fit for a release.

use std::path::{Path, PathBuf};
use std::{fs, io};

use packaging::{chosen, linked, notice};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn notice_lists_the_crates_that_are_linked_in() -> io::Result<()> {
    let crates = linked(&root())?;
    assert!(crates.iter().any(|one| one.name == "pgrx") && crates.iter().any(|one| one.name == "clap"));
    // These are only used by tests, build scripts or macros.
    assert!(crates.iter().all(|one| !["proptest", "bindgen", "serde_derive"].contains(&one.name.as_str())));
    let written = fs::read_to_string(root().join("NOTICE"))?;
    assert!(notice(&crates) == written, "NOTICE is out of date: run `make notice` and read the difference");
    Ok(())
}

#[test]
fn every_linked_crate_offers_a_licence_that_is_allowed() -> io::Result<()> {
    let refused: Vec<String> = linked(&root())?
        .iter()
        .filter(|one| chosen(&one.licence).is_none())
        .map(|one| format!("{} {}: {:?}", one.name, one.version, one.licence))
        .collect();
    assert!(refused.is_empty(), "packaging/src/choice.rs allows none of these licences: {refused:#?}");
    Ok(())
}

#[test]
fn the_metadata_for_pgxn_agree_with_the_rest() -> io::Result<()> {
    let meta: Value = serde_json::from_str(&fs::read_to_string(root().join("META.json"))?)?;
    let extension = &meta["provides"]["pg_wabridges"];
    let control = fs::read_to_string(root().join("pg_wabridges/pg_wabridges.control"))?;
    let comment = control.lines().find_map(|line| line.strip_prefix("comment = '")).unwrap();
    assert_eq!(meta["name"], "pg_wabridges");
    for place in [&meta, extension] {
        assert_eq!(place["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(place["abstract"], comment.trim_end_matches('\''));
    }
    assert_eq!(meta["license"], "mit");
    for file in [&extension["file"], &extension["docfile"]] {
        assert!(root().join(file.as_str().unwrap()).is_file(), "{file}");
    }
    // Version 1.0.0 of the specification requires these.
    for key in ["abstract", "license", "maintainer", "meta-spec", "name", "provides", "version"] {
        assert!(!meta[key].is_null(), "META.json has no {key}");
    }
    Ok(())
}
