//! Builds scripts from the files of `sql/`: to install the extension, to run `wab init --sql-only`, and to upgrade either
//! from an earlier version.

mod frozen;
mod history;
mod object;
mod part;
mod script;
mod split;
mod upgrade;

pub use history::{NoUpgrade, frozen, upgrade_from, versions};
pub use part::{Form, PARTS, Part, Target};
pub use script::{VERSION, extension, plain, tables, without_comments};
pub use split::statements;
pub use upgrade::upgrade;
