//! The files of `sql/` as one script, in one order, for the extension and for `wab init --sql-only`. It depends on no other crate.

mod part;
mod script;
mod split;

pub use part::{Form, PARTS, Part, TABLES, Target};
pub use script::{VERSION, extension};
pub use split::statements;
