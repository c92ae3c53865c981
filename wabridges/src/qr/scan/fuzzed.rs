//! Fuzzes the QR code reader with PNG files and with QR codes drawn with `#`; the corpus is in
//! `fuzz/corpus/pictures`.

use super::{Picture, QUIET, SCALE, read};

#[test]
fn fuzz_pictures() -> std::io::Result<()> {
    fuzz::target("pictures", is_scanned)
}

fn is_scanned(bytes: &[u8]) {
    // libFuzzer's panic hook would end the process even if the panic is caught.
    #[cfg(fuzzing)]
    std::panic::set_hook(Box::new(|_| {}));
    if bytes.starts_with(b"\x89PNG") {
        assert!(read(bytes).is_ok_and(|content| content.len() < 3_000) || read(bytes).is_err());
        return;
    }
    let rows: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    if width == 0 {
        return; // A PNG has at least one pixel.
    }
    let pixel = |row: &[u8], x: usize| if row.get(x) == Some(&b'#') { 0 } else { u8::MAX };
    let grey = rows.iter().flat_map(|row| (0..width).map(move |x| pixel(row, x))).collect();
    let picture = Picture { width, height: rows.len(), grey };
    for (scale, quiet) in [(1, 0), (SCALE, QUIET)] {
        assert!(picture.code(scale, quiet).is_none_or(|content| content.len() < 3_000));
    }
}
