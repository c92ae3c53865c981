//! Reads the imports of a crate's files and reports those that break the order of its floors. `tests/crates.rs` defines the
//! orders.

mod order;
mod paths;
mod source;
#[cfg(test)]
mod tests;

pub use order::{Order, broken, full_roots};
