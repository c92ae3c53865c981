//! Writes text for people in ASCII where the locale asks for it, as `LC_ALL=C` does. JSON and Markdown stay UTF-8.

use std::borrow::Cow;

/// Whether the locale is named, and is one that knows ASCII only. Many containers name none; their logs take UTF-8.
pub fn is_ascii() -> bool {
    is_ascii_locale(["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).unwrap_or_default()))
}

/// The first of LC_ALL, LC_CTYPE and LANG that says something counts.
fn is_ascii_locale(values: [String; 3]) -> bool {
    values.iter().find(|value| !value.is_empty()).is_some_and(|value| matches!(value.as_str(), "C" | "POSIX"))
}

/// The text, as the locale can show it.
pub fn fitted(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(ascii(text)) }
}

fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '→' => out += "->",
            '…' => out += "...",
            '—' | '–' => out.push('-'),
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_locale_asks_for_ascii() {
        let locale =
            |all: &str, ctype: &str, lang: &str| is_ascii_locale([all, ctype, lang].map(str::to_owned));
        assert!(locale("C", "", "") && locale("", "POSIX", "de_DE.UTF-8") && locale("", "", "C"));
        assert!(!locale("", "", "") && !locale("C.UTF-8", "C", "C") && !locale("", "", "en_US.UTF-8"));
    }

    #[test]
    fn every_character_has_an_ascii_form() {
        assert_eq!(ascii("paired → disconnected … — é"), "paired -> disconnected ... - \\u{e9}");
    }
}
