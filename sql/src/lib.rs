//! The files of `sql/` as scripts: to install, for the extension and for `wab init --sql-only`, and to upgrade from a version before.
//! It depends on no other crate.

mod frozen;
mod history;
mod object;
mod part;
mod script;
mod split;
mod upgrade;

pub use history::{NoUpgrade, frozen, upgrade_from, versions};
pub use part::{Form, PARTS, Part, Target};
pub use script::{VERSION, extension, plain, tables};
pub use split::statements;
pub use upgrade::upgrade;
