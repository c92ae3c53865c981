//! The order of floors of every crate: from bottom to top, modules of one floor beside each other.

use std::io;
use std::path::PathBuf;

use floors::{Order, broken, full_roots};

const RECONCILER: Order<'_> = Order {
    floors: &[
        &["ground"],
        &["config"],
        &["model"],
        &["decide"],
        &["provider", "db"],
        &["run"],
        &["render"],
        &["verb"],
        &["cli"],
    ],
};

const SANDBOX: Order<'_> = Order {
    floors: &[
        &["bridge", "limits", "qr", "wire"],
        &["answer", "console", "ledger", "route", "seed", "world"],
        &["control_input", "gzip", "postman"],
        &["listing"],
        &["faults"],
        &["app", "delivery", "distort"],
        &["cli", "provider", "store", "webhooks"],
        &["control"],
        &["http"],
    ],
};

fn root(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)
}

fn assert_order(file: &str, order: &Order<'_>) -> io::Result<()> {
    let broken = broken(root(file), order)?;
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    Ok(())
}

#[test]
fn reconciler() -> io::Result<()> {
    assert_eq!(full_roots(root("reconciler/src/main.rs"))?, [""; 0]);
    assert_order("reconciler/src/main.rs", &RECONCILER)
}

#[test]
fn sandbox() -> io::Result<()> {
    assert_order("sandbox/src/main.rs", &SANDBOX)
}
