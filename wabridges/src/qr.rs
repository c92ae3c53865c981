//! QR codes: reads the one in a PNG picture, and draws it as text.

mod draw;
mod scan;

pub use draw::{Terminal, drawn};
pub use scan::read;
