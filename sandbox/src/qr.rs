//! Draws a text as a QR code in a PNG.

use anyhow::Context;
use qrcode::{Color, QrCode};

/// Pixels along one side of a QR module, and modules of white around the code (scanners need 4).
const SCALE: usize = 4;
const QUIET: usize = 4;

/// An 8-bit grey PNG of the QR code of `text`; fails if `text` is longer than about 2,900 bytes, the most a code holds.
pub fn png(text: &str) -> anyhow::Result<Vec<u8>> {
    let code = QrCode::new(text).context("the text does not fit into a QR code")?;
    let modules = code.width();
    let side = (modules + 2 * QUIET) * SCALE;
    let mut pixels = vec![0xFF_u8; side * side];
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = ((place % modules + QUIET) * SCALE, (place / modules + QUIET) * SCALE);
            for row in y..y + SCALE {
                pixels[row * side + x..row * side + x + SCALE].fill(0);
            }
        }
    }
    let mut out = Vec::new();
    let width = u32::try_from(side).context("the QR code is too large")?;
    let mut encoder = png::Encoder::new(&mut out, width, width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("writing the PNG header")?;
    writer.write_image_data(&pixels).context("writing the PNG")?;
    writer.finish().context("ending the PNG")?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_has_its_finder_pattern_inside_a_quiet_zone() {
        let image = png("2@sandbox,1,cust_0001").unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(image)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width, info.height);
        let side = info.width as usize;
        let at = |x: usize, y: usize| pixels[(y + QUIET) * SCALE * side + (x + QUIET) * SCALE];
        let row: Vec<u8> = (0..8).map(|x| at(x, 0)).collect();
        assert_eq!(row, [0, 0, 0, 0, 0, 0, 0, 0xFF]);
        assert_eq!(at(1, 1), 0xFF);
        assert!(pixels[..side * SCALE * QUIET].iter().all(|pixel| *pixel == 0xFF));
    }

    #[test]
    fn too_much_text_is_an_error() {
        assert!(png(&"x".repeat(5000)).is_err());
    }
}
