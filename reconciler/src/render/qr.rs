//! Draws a QR code as text, two modules per character.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::render::words::Paint;

/// The look of a terminal, for output without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Light text on a dark background.
    Dark,
    /// Dark text on a light background.
    Light,
}

/// Black on white, in two fixed colours of the 256 that themes do not change.
const INK: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

/// The code with its quiet zone. Dark modules are dark on the screen, because some scanners cannot read
/// inverted codes.
pub fn drawn(content: &[u8], paint: Paint, terminal: Terminal) -> Result<String, String> {
    let code = QrCode::with_error_correction_level(content, EcLevel::L).map_err(|error| error.to_string())?;
    let mut renderer = code.render::<Dense1x2>();
    // A block is drawn in the colour of the text.
    if (paint, terminal) == (Paint::Plain, Terminal::Dark) {
        renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let drawn = renderer.build();
    Ok(match paint {
        Paint::Plain => drawn,
        Paint::Ansi => drawn.lines().map(|line| format!("{INK}{line}{RESET}\n")).collect(),
    })
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
                let line = line.trim_start_matches(INK).trim_end_matches(RESET);
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
        let drawn = |paint, terminal| drawn(text.as_bytes(), paint, terminal).unwrap();
        // With colours the text is black and the background white, on every terminal.
        assert_eq!(scanned(&drawn(Paint::Ansi, Terminal::Dark), 0, 255), text);
        assert_eq!(drawn(Paint::Ansi, Terminal::Dark), drawn(Paint::Ansi, Terminal::Light));
        assert_eq!(scanned(&drawn(Paint::Plain, Terminal::Dark), 255, 0), text);
        assert_eq!(scanned(&drawn(Paint::Plain, Terminal::Light), 0, 255), text);
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(drawn(&[b'x'; 5000], Paint::Plain, Terminal::Dark).is_err());
    }
}
