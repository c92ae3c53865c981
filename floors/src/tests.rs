//! Tests the check with small crates that break the order, each in one way, and with imports that only tests compile.

use std::fs;

use crate::{Order, broken, full_roots};

const ORDER: Order<'_> = Order { floors: &[&["low"], &["left", "right"], &["high"]] };

/// The violations in a crate of these files and empty ones.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        let made = fs::create_dir_all(file.with_file_name("")).and_then(|()| fs::write(file, text));
        made.unwrap();
    };
    write("main.rs", "mod high; mod left; mod low; mod right; fn main() {}");
    for name in ["high.rs", "left.rs", "low.rs", "right.rs"] {
        write(name, "");
    }
    for (name, text) in files {
        write(name, text);
    }
    let root = folder.path().join("main.rs");
    let all = [broken(root.clone(), &ORDER).unwrap(), full_roots(root).unwrap()].concat();
    all.iter().map(|line| line.replace(&format!("{}/", folder.path().display()), "")).collect()
}

#[test]
fn arrows_downwards_are_allowed() {
    assert_eq!(found(&[("high.rs", "use crate::left::a; use crate::low::b;")]), [""; 0]);
}

#[test]
fn arrows_upwards_sideways_and_to_the_root_are_reported_in_every_spelling() {
    for path in ["use crate::high::x;", "use super::{high::x};", "fn f() { crate::high::x::<u8>() }"] {
        assert_eq!(
            found(&[("low.rs", path)]),
            ["low.rs:1: imports crate::high, which is on a higher floor"],
            "{path}"
        );
    }
    let serde = "#[serde(with = \"crate::high::x\")] struct A;";
    assert_eq!(found(&[("low.rs", serde)]), ["low.rs:1: imports crate::high, which is on a higher floor"]);
    let inner = "mod inner {\n fn f() { println!(\"{}\", super::super::high::x()) } }";
    assert_eq!(found(&[("low.rs", inner)]), ["low.rs:2: imports crate::high, which is on a higher floor"]);
    assert_eq!(
        found(&[("left.rs", "use crate::right::x;")]),
        ["left.rs:1: imports crate::right, which is on the same floor"]
    );
    assert_eq!(
        found(&[("left.rs", "use crate::x;")]),
        ["left.rs:1: imports crate::, which is the crate's root, above all floors"]
    );
}

#[test]
fn a_re_exported_item_belongs_to_the_file_that_defines_it() {
    let handed_on = ("main.rs", "mod high; mod left; mod low; mod right; pub use high::X; pub use low::Y;");
    assert_eq!(found(&[handed_on, ("left.rs", "use crate::Y;")]), [""; 0]);
    assert_eq!(
        found(&[handed_on, ("left.rs", "use crate::X;")]),
        ["left.rs:1: imports crate::high, which is on a higher floor"]
    );
}

#[test]
fn files_of_one_floor_may_not_need_each_other_in_a_circle() {
    let files = [
        ("low.rs", "mod a; mod b; mod c;"),
        ("low/a.rs", "use crate::low::b::x;"),
        ("low/b.rs", "use super::c;"),
        ("low/c.rs", ""),
    ];
    assert_eq!(found(&files), [""; 0]);
    let circle = [&files[..3], &[("low/c.rs", "use crate::low::a::y;")]].concat();
    assert_eq!(found(&circle), ["a circle of imports: low/a.rs → low/b.rs → low/c.rs → low/a.rs"]);
    let through_root = [&files[1..], &[("low.rs", "mod a; mod b; mod c; pub struct X; use c::y;")]].concat();
    let through_root = [&through_root[..], &[("low/c.rs", "use super::X;")]].concat();
    assert_eq!(
        found(&through_root),
        ["a circle of imports: low.rs → low/c.rs → low.rs", "low.rs:1: an item in the root of a floor"]
    );
}

#[test]
fn tests_may_import_what_they_like() {
    let low = "#[cfg(test)] mod tests; #[cfg(test)] use crate::high::x; #[cfg(test)] mod more { use crate::high::x; }";
    assert_eq!(found(&[("low.rs", low), ("low/tests.rs", "use crate::high::x;")]), [""; 0]);
    let not = "#[cfg(not(test))] use crate::high::x;";
    assert_eq!(found(&[("low.rs", not)]), ["low.rs:1: imports crate::high, which is on a higher floor"]);
}

#[test]
fn every_module_is_on_a_floor() {
    let main = ("main.rs", "mod high; mod left; mod low; mod other; fn main() {}");
    assert_eq!(
        found(&[main, ("other.rs", "")]),
        [
            "other: must be a module and on a floor, but is only one of them",
            "right: must be a module and on a floor, but is only one of them"
        ]
    );
}
