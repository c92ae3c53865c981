//! Tests that every crate keeps the order of its floors, which are listed from bottom to top.

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
        &["serve"],
        &["verb"],
        &["cli"],
    ],
};

const SANDBOX: Order<'_> = Order {
    floors: &[
        &["bridge", "limits", "qr", "wire"],
        &["change"],
        &["answer", "console", "ledger", "route", "seed", "world"],
        &["control_input", "gzip", "postman", "record"],
        &["listing"],
        &["faults"],
        &["app", "delivery", "distort"],
        &["cli", "provider", "store", "webhooks"],
        &["control"],
        &["http"],
    ],
};

const WABRIDGES: Order<'_> = Order {
    floors: &[
        &["visible"],
        &["cause", "error", "flat", "limits", "phone", "qr", "sha256", "types", "webhook_keys"],
        &["api_key", "config", "difference", "retry", "row", "throttle"],
        &["call", "listing", "place", "provision", "transport"],
        &["alert", "request"],
        &["sender"],
        &["client"],
        &["poll"],
    ],
};

const PG_WABRIDGES: Order<'_> = Order {
    floors: &[
        &["answers", "error", "glimpse", "json", "server_log"],
        &["arguments", "http", "scan", "server", "settings"],
        &["database", "provider"],
        &["list", "poll", "webhooks"],
        &["alerts", "refresh", "sessions"],
        &["functions"],
    ],
};

const INSTALL_SQL: Order<'_> =
    Order { floors: &[&["frozen", "part", "split"], &["object"], &["script", "upgrade"], &["history"]] };

const E2E: Order<'_> = Order {
    floors: &[
        &["log", "pipe", "process", "wait"],
        &["cluster", "sandbox", "tab"],
        &["balancer", "chromium", "fleet", "pooler"],
        &["demo_fleet", "served", "simulation"],
    ],
};

const BENCH: Order<'_> = Order {
    floors: &[
        &["contest", "load"],
        &["report", "scene"],
        &["pages", "queries", "receivers", "terraform"],
        &["rows", "serve"],
    ],
};

const GROWTH: Order<'_> = Order { floors: &[&["table"], &["month", "scale", "sizes", "wal"]] };

const PACKAGING: Order<'_> = Order { floors: &[&["choice", "linked"], &["notice", "texts"]] };

const FLOORS: Order<'_> = Order { floors: &[&["paths"], &["source"], &["order"]] };

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

#[test]
fn wabridges() -> io::Result<()> {
    assert_order("wabridges/src/lib.rs", &WABRIDGES)
}

#[test]
fn pg_wabridges() -> io::Result<()> {
    assert_order("pg_wabridges/src/lib.rs", &PG_WABRIDGES)
}

#[test]
fn install_sql() -> io::Result<()> {
    assert_order("sql/src/lib.rs", &INSTALL_SQL)
}

#[test]
fn e2e() -> io::Result<()> {
    assert_order("tests/src/lib.rs", &E2E)
}

#[test]
fn bench() -> io::Result<()> {
    assert_order("bench/src/main.rs", &BENCH)
}

#[test]
fn growth() -> io::Result<()> {
    assert_order("bench/src/growth/main.rs", &GROWTH)
}

#[test]
fn packaging() -> io::Result<()> {
    assert_order("packaging/src/lib.rs", &PACKAGING)
}

#[test]
fn floors() -> io::Result<()> {
    assert_order("floors/src/lib.rs", &FLOORS)
}
