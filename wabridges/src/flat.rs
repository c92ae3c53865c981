//! Parses flat JSON objects of plain scalars, as most listed rows are, in one pass, for speed.
//!
//! It saves a fifth of the time of `wab_list_instances()`. Rows with anything else (an escape, a fraction, a nested value, a
//! syntax error) go to serde_json, which can parse every row (`row::bridge`). The fuzzing target `answers` compares both.

/// A member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number of at most 18 digits in its canonical form: no leading zero, no `-0`.
    Integer(i64),
    /// A string without escapes.
    Text(&'a str),
}

/// Passes the members of the object at the start of `text` to `member`, in order, and returns the object's length in bytes.
///
/// Returns `None` if `text` does not start with a complete flat object: a value is not a plain scalar, a string has an escape,
/// or the syntax is wrong. The caller must then discard the members passed so far. Duplicate keys are not detected.
pub fn object<'a>(text: &'a str, mut member: impl FnMut(&'a str, Scalar<'a>)) -> Option<usize> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.take(b'{')?;
    cursor.skip_space();
    if cursor.take(b'}').is_some() {
        return Some(cursor.at);
    }
    loop {
        let key = cursor.string()?;
        cursor.skip_space();
        cursor.take(b':')?;
        cursor.skip_space();
        member(key, cursor.scalar()?);
        cursor.skip_space();
        match cursor.take(b',') {
            Some(()) => cursor.skip_space(),
            None => return cursor.take(b'}').map(|()| cursor.at),
        }
    }
}

/// A position in a text, always between two characters.
pub(crate) struct Cursor<'a> {
    /// The whole text.
    pub text: &'a str,
    /// The position in bytes from the start of the text.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over this ASCII character if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over JSON white space.
    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads a string without escapes. JSON does not allow control characters in it.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let inside = &self.text[self.at..];
        let length = inside.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
        self.at += length;
        self.take(b'"').map(|()| &inside[..length])
    }

    fn scalar(&mut self) -> Option<Scalar<'a>> {
        if self.peek()? == b'"' {
            return self.string().map(Scalar::Text);
        }
        let rest = &self.text[self.at..];
        let word =
            &rest[..rest.bytes().position(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))?];
        self.at += word.len();
        match word {
            "null" => Some(Scalar::Null),
            "true" => Some(Scalar::Bool(true)),
            "false" => Some(Scalar::Bool(false)),
            _ => integer(word).map(Scalar::Integer),
        }
    }
}

/// Parses a canonical integer. 1.0, 1e3 and -0 are not canonical; 01 is invalid JSON.
fn integer(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let plain = match digits.as_bytes() {
        [b'0'] => word == "0",
        [b'1'..=b'9', ..] => digits.len() <= 18,
        _ => false,
    };
    if plain { word.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Option<(Vec<(&str, Scalar<'_>)>, usize)> {
        let mut members = Vec::new();
        let length = object(text, |key, value| members.push((key, value)))?;
        Some((members, length))
    }

    #[test]
    fn a_flat_row_is_read() {
        let row = r#"{"id":42, "customer_ref" : "café","gone":null,"up":true,"n":-7, "z":0 }"#;
        let expected = vec![
            ("id", Scalar::Integer(42)),
            ("customer_ref", Scalar::Text("café")),
            ("gone", Scalar::Null),
            ("up", Scalar::Bool(true)),
            ("n", Scalar::Integer(-7)),
            ("z", Scalar::Integer(0)),
        ];
        assert_eq!(members(&format!("{row}, {{}}]")), Some((expected, row.len())));
        assert_eq!(members("{ }"), Some((vec![], 3)));
    }

    #[test]
    fn rows_that_are_not_plain_are_left_to_serde_json() {
        for row in [
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":"\u00fc"}"#,
            r#"{"a\n":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":1E3}"#,
            r#"{"a":-0}"#,
            r#"{"a":12345678901234567890}"#,
            "[]",
            "1",
        ] {
            assert_eq!(members(row), None, "{row}");
        }
    }

    #[test]
    fn invalid_json_is_not_read() {
        for row in [
            "",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,"b":2"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1-1}"#,
            r#"{"a":nul}"#,
            r#"{"a":nulls}"#,
            r#"{"a":nullTrue}"#,
            r#"{"a":1x}"#,
            r#"{"a":tru"#,
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\n\"}",
            "{\u{c}\"a\":1}",
            "{\u{a0}\"a\":1}",
            r#"{a:1}"#,
            r#"{'a':1}"#,
            r#"{"a":"b}"#,
        ] {
            assert_eq!(members(row), None, "{row}");
        }
    }
}
