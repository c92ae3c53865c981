//! Reads what the files of a crate import, and says where that breaks the order of its floors. The orders themselves are
//! in `tests/crates.rs`.

mod order;
mod paths;
mod source;
#[cfg(test)]
mod tests;

pub use order::{Order, broken, full_roots};
