//! Lists the crates that are linked into `wab` and the extension, and the licences under which they are passed on.

mod choice;
mod linked;
mod notice;
mod texts;

pub use choice::chosen;
pub use linked::{Linked, linked};
pub use notice::notice;
pub use texts::texts;
