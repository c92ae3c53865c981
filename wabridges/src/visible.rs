//! Tells whether a reader sees all of a text, and puts a text in quotes so that a reader does.

/// Whether a reader sees all of the text: it is not empty, and has no white space but single spaces between words, and no
/// character that is invisible.
pub fn looks_like_itself(text: &str) -> bool {
    let is_spaced = |c: char| c == ' ' || !c.is_whitespace();
    !text.is_empty()
        && text.trim() == text
        && !text.contains("  ")
        && text.chars().all(|c| !is_invisible(c) && is_spaced(c))
}

/// The text in quotes, with every character escaped that a reader could not see.
pub fn in_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in format!("{text:?}").chars() {
        // `Debug` leaves the letters among the invisible characters as they are, such as U+3164.
        if is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Whether fonts show nothing for the character: it has the property `Default_Ignorable_Code_Point` of Unicode 17, separates
/// lines, or is the empty Braille pattern (U+2800).
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CustomerRef;

    #[test]
    fn a_text_with_an_invisible_character_is_in_quotes_and_shows_it() {
        assert_eq!(CustomerRef::new("cust_1").unwrap().to_string(), "cust_1");
        assert_eq!(CustomerRef::new("Ü 漢字 🙂").unwrap().to_string(), "Ü 漢字 🙂");
        let blank = [
            0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f, 0x200b, 0x202e, 0x2060,
            0x2064, 0x2800, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xffa0, 0xfff0, 0x1_bca0, 0x1_d173, 0xe_0000,
            0xe_0041, 0xe_0100, 0xe_0fff,
        ];
        for c in blank.map(|code| char::from_u32(code).unwrap()) {
            let text = format!("cust{c}1");
            assert!(!looks_like_itself(&text), "{}", c.escape_unicode());
            let shown = format!("\"cust{}1\"", c.escape_unicode());
            assert_eq!(CustomerRef::new(&*text).unwrap().to_string(), shown);
        }
    }
}
