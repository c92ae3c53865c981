//! QR codes: reads the one in a PNG picture, and draws it as text or as the path of an SVG picture.

mod draw;
mod outline;
mod scan;

pub use draw::{Terminal, drawn};
pub use outline::{Outline, outline};
pub use scan::read;
