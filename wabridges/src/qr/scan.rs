//! Reads a QR code from a PNG picture.

use std::io::Cursor;
use std::panic::catch_unwind;

use png::{Decoder, Limits, Transformations};
use rqrr::PreparedImage;

/// The memory limit of a picture, in bytes: a file of a few kilobytes can ask for gigabytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The enlargement factor, and the width of the white margin in pixels: rqrr needs several pixels per module
/// and a quiet zone.
const SCALE: usize = 3;
const QUIET: usize = 24;

/// The content of the QR code, or why it could not be read.
pub fn read(png: &[u8]) -> Result<Vec<u8>, String> {
    let picture = decode(png).map_err(|error| format!("the PNG cannot be read: {error}"))?;
    // rqrr reads some codes only unchanged, and others only enlarged with a margin.
    [(1, 0), (SCALE, QUIET)]
        .into_iter()
        .find_map(|(scale, quiet)| picture.code(scale, quiet))
        .ok_or_else(|| "no QR code was found in the PNG".to_owned())
}

/// A grey picture, row by row.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

impl Picture {
    /// rqrr panics on some pictures, such as overlapping codes. They count as pictures without a code.
    fn code(&self, scale: usize, quiet: usize) -> Option<Vec<u8>> {
        catch_unwind(|| self.decoded(scale, quiet)).ok().flatten()
    }

    fn decoded(&self, scale: usize, quiet: usize) -> Option<Vec<u8>> {
        let (width, height) = (self.width * scale + 2 * quiet, self.height * scale + 2 * quiet);
        let mut image = PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            let at = |place: usize| place.checked_sub(quiet).map(|place| place / scale);
            match (at(x), at(y)) {
                (Some(x), Some(y)) if x < self.width && y < self.height => self.grey[y * self.width + x],
                _ => u8::MAX,
            }
        });
        image.detect_grids().iter().find_map(|grid| {
            let mut content = Vec::new();
            grid.decode_to(&mut content).ok().map(|_| content)
        })
    }
}

fn decode(png: &[u8]) -> Result<Picture, String> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(png), Limits { bytes: MAX_BYTES });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let size = reader.output_buffer_size().filter(|size| *size <= MAX_BYTES).ok_or("it is too large")?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
    let grey = pixels[..info.buffer_size()].chunks_exact(info.color_type.samples()).map(grey).collect();
    let side = |pixels: u32| usize::try_from(pixels).map_err(|error| error.to_string());
    Ok(Picture { width: side(info.width)?, height: side(info.height)?, grey })
}

/// The brightness of one pixel on a white background.
fn grey(pixel: &[u8]) -> u8 {
    let over_white = |grey: u8, alpha: u8| {
        let (grey, alpha) = (u16::from(grey), u16::from(alpha));
        u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    let mean = |r: u8, g: u8, b: u8| {
        u8::try_from((u16::from(r) + u16::from(g) + u16::from(b)) / 3).unwrap_or(u8::MAX)
    };
    match *pixel {
        [grey] => grey,
        [grey, alpha] => over_white(grey, alpha),
        [r, g, b] => mean(r, g, b),
        [r, g, b, alpha] => over_white(mean(r, g, b), alpha),
        _ => u8::MAX,
    }
}

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType, Encoder};
    use qrcode::{Color, QrCode};

    use super::*;

    /// About 240 characters, like the provider's codes.
    const TEXT: &str = "2@Nk3TQz0o/7Uq8XgkWk3h0e8dQy7w1mGkzXb2mZc4Qe9pVrJt5yLsAaBbCcDdEeFfGgHhIiJjKk,Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3A=,cXdlcnR5dWlvcGFzZGZnaGprbHp4Y3Zibm0xMjM0NTY3ODkwQUJDREU=,c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";

    fn drawn(text: &str, color: ColorType, (scale, quiet): (usize, usize)) -> Vec<u8> {
        let code = QrCode::new(text).unwrap();
        let (modules, colors) = (code.width(), code.to_colors());
        let side = (modules + 2 * quiet) * scale;
        let dark = |x: usize, y: usize| {
            let at = |place: usize| (place / scale).checked_sub(quiet).filter(|place| *place < modules);
            matches!((at(x), at(y)), (Some(x), Some(y)) if colors[y * modules + x] == Color::Dark)
        };
        let pixels: Vec<u8> = (0..side * side)
            .flat_map(|place| match (color, dark(place % side, place / side)) {
                (ColorType::Rgba, true) => vec![0, 0, 0, 255],
                // A transparent black pixel is not a dark module.
                (ColorType::Rgba, false) => vec![0, 0, 0, 0],
                (_, dark) => vec![if dark { 0 } else { 255 }],
            })
            .collect();
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, side.try_into().unwrap(), side.try_into().unwrap());
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&pixels).unwrap();
        writer.finish().unwrap();
        png
    }

    #[test]
    fn codes_are_read_in_every_size_and_without_a_background() {
        for text in ["x", TEXT] {
            for color in [ColorType::Grayscale, ColorType::Rgba] {
                for size in [(1, 0), (1, 4), (2, 4), (4, 4), (8, 1)] {
                    let png = drawn(text, color, size);
                    assert_eq!(read(&png).as_deref(), Ok(text.as_bytes()), "{color:?} {size:?}");
                }
            }
        }
    }

    #[test]
    fn other_pictures_are_errors() {
        let png = drawn(TEXT, ColorType::Grayscale, (4, 4));
        assert!(read(b"GIF89a").unwrap_err().contains("cannot be read"));
        assert!(read(&png[..png.len() / 2]).unwrap_err().contains("cannot be read"));
        let blank = {
            let mut png = Vec::new();
            let mut writer = Encoder::new(&mut png, 100, 1).write_header().unwrap();
            writer.write_image_data(&[255; 100]).unwrap();
            writer.finish().unwrap();
            png
        };
        assert_eq!(read(&blank).unwrap_err(), "no QR code was found in the PNG");
    }

    #[test]
    fn a_picture_that_claims_to_be_huge_is_refused() {
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, 60_000, 60_000);
        encoder.set_color(ColorType::Rgba);
        drop(encoder.write_header().unwrap());
        assert!(read(&png).is_err());
    }
}
