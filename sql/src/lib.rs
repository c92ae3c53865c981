//! The files of `sql/` as one script, in one order, for the extension and for `wab init --sql-only`. It depends on no other crate.

mod part;
mod script;

pub use part::{Form, PARTS, Part, Target};
pub use script::{VERSION, extension};
