//! Draws a QR code as text, two modules per character.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The look of a terminal that shows the text without colours of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Light text on a dark background.
    Dark,
    /// Dark text on a light background.
    Light,
}

/// The code with its quiet zone. Dark modules are dark on the screen, because some scanners cannot read
/// inverted codes.
pub fn drawn(content: &[u8], terminal: Terminal) -> Result<String, String> {
    let code = QrCode::with_error_correction_level(content, EcLevel::L).map_err(|error| error.to_string())?;
    let mut renderer = code.render::<Dense1x2>();
    // A block is drawn in the colour of the text.
    if terminal == Terminal::Dark {
        renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    Ok(renderer.build())
}

#[cfg(test)]
mod tests {
    use rqrr::PreparedImage;

    use super::*;

    /// Scans the drawing: blocks have the colour of the text, the rest that of the background.
    fn scanned(drawn: &str, text: u8, background: u8) -> String {
        let rows: Vec<[Vec<u8>; 2]> = drawn
            .lines()
            .map(|line| {
                let half = |blocks: [char; 2]| {
                    line.chars().map(|c| if blocks.contains(&c) { text } else { background }).collect()
                };
                [half(['█', '▀']), half(['█', '▄'])]
            })
            .collect();
        let rows: Vec<Vec<u8>> = rows.into_iter().flatten().collect();
        let (width, height) = (rows[0].len(), rows.len());
        let mut image =
            PreparedImage::prepare_from_greyscale(4 * width, 4 * height, |x, y| rows[y / 4][x / 4]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "{drawn}");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_camera_reads_it_on_every_terminal() {
        let text = "2@sandbox,1,ABCD-EFGH";
        assert_eq!(scanned(&drawn(text.as_bytes(), Terminal::Dark).unwrap(), 255, 0), text);
        assert_eq!(scanned(&drawn(text.as_bytes(), Terminal::Light).unwrap(), 0, 255), text);
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(drawn(&[b'x'; 5000], Terminal::Dark).is_err());
    }
}
