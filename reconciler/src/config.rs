//! fleet.yaml as checked, typed values, and who runs wab. Nothing here calls anyone.

mod check;
mod document;
pub mod error;
mod file;
pub mod fleet;
pub mod inspect;
pub mod load;
pub mod problem;
mod reader;
pub mod shape;
mod source;
#[cfg(test)]
mod tests;
pub mod variable;
pub mod who;
