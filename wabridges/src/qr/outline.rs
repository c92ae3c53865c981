//! Draws a QR code as the path of an SVG picture.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The white margin that scanners need, in modules.
const QUIET: usize = 4;

/// The dark modules of a code. A module is one unit wide, and the margin is part of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The width and the height of the picture.
    pub side: usize,
    /// The value of `d` in `<path d="…">`.
    pub path: String,
}

/// The code of this content, or why there is none.
pub fn outline(content: &[u8]) -> Result<Outline, String> {
    let code = QrCode::with_error_correction_level(content, EcLevel::L).map_err(|error| error.to_string())?;
    let colors = code.to_colors();
    let mut path = String::new();
    for (y, row) in colors.chunks(code.width()).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (left, top, width) = (x + QUIET, y + QUIET, run.len());
                // Writing to a String cannot fail.
                let _ = write!(path, "M{left} {top}h{width}v1h-{width}z");
            }
            x += run.len();
        }
    }
    Ok(Outline { side: code.width() + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use rqrr::PreparedImage;

    use super::*;

    /// Whether a run of the path covers this module.
    fn is_dark(path: &str, x: usize, y: usize) -> bool {
        path.split('M').skip(1).any(|run| {
            let numbers: Vec<usize> =
                run.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            y == numbers[1] && (numbers[0]..numbers[0] + numbers[2]).contains(&x)
        })
    }

    #[test]
    fn a_camera_reads_it() {
        let text = "2@sandbox,1,ABCD-EFGH";
        let Outline { side, path } = outline(text.as_bytes()).unwrap();
        let mut image = PreparedImage::prepare_from_greyscale(4 * side, 4 * side, |x, y| {
            if is_dark(&path, x / 4, y / 4) { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{path}");
        assert_eq!(grids[0].decode().unwrap().1, text);
    }

    #[test]
    fn too_much_text_is_an_error() {
        assert!(outline(&[b'x'; 5000]).is_err());
    }
}
