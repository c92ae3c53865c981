//! Draws a QR code in the colours of the terminal, or in two of its own.

use wabridges::qr::{Terminal, drawn};

use crate::render::words::Paint;

/// Black on white, in two fixed colours of the 256 that themes do not change.
const INK: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

/// The code with its quiet zone.
pub fn painted(content: &[u8], paint: Paint, terminal: Terminal) -> Result<String, String> {
    match paint {
        Paint::Plain => drawn(content, terminal),
        Paint::Ansi => {
            Ok(drawn(content, Terminal::Light)?.lines().map(|line| format!("{INK}{line}{RESET}\n")).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_colours_the_code_is_black_on_white_on_every_terminal() {
        let of = |paint, terminal| painted(b"2@sandbox,1,ABCD-EFGH", paint, terminal).unwrap();
        let light = of(Paint::Plain, Terminal::Light);
        for terminal in [Terminal::Dark, Terminal::Light] {
            let coloured = of(Paint::Ansi, terminal);
            let bare: Vec<&str> = coloured
                .lines()
                .map(|line| line.strip_prefix(INK).unwrap().strip_suffix(RESET).unwrap())
                .collect();
            assert_eq!(bare, light.lines().collect::<Vec<_>>());
        }
        assert_ne!(of(Paint::Plain, Terminal::Dark), light);
    }
}
