//! Basic types and functions: texts, numbers, durations, hashes, versions and exit codes. They know nothing
//! of fleets.

mod exit;
pub mod file;
pub mod money;
mod natural;
mod number;
pub mod sha256;
pub mod span;
mod text;
pub mod version;
pub mod webhook;

pub use exit::Exit;
pub use money::{a_month, change, money};
pub use natural::Natural;
pub use number::{count, grouped, thousands};
pub use span::span;
pub use text::{harmless, harmless_lines, named, quoted, shown, steers};
pub use version::{OURS, Version};
