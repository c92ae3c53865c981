//! Walks the board of `wab serve` in Debian's Chromium. It is a separate program, so that no other test takes its CPU time.

#[path = "browser/audit.rs"]
mod audit;
#[path = "browser/fleets.rs"]
mod fleets;
#[path = "browser/keyboard.rs"]
mod keyboard;
#[path = "browser/live.rs"]
mod live;
#[path = "browser/pairing.rs"]
mod pairing;
#[path = "browser/picture.rs"]
mod picture;
#[path = "browser/plain.rs"]
mod plain;
#[path = "browser/walk.rs"]
mod walk;
