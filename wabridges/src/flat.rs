//! A trick for speed: reads flat JSON objects of plain scalars, as the list's rows are, in one sweep.
//!
//! It saves a fifth of the time of `wab_list_instances()`. Whatever is not plain (an escape, a fraction, a nested value, a mistake) is
//! left to serde_json, which reads every row alike (`row::bridge`); the fuzzing target `answers` holds both ways against each other.

/// A member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number of at most 18 digits, written as such a number is printed.
    Integer(i64),
    /// A string without escapes.
    Text(&'a str),
}

/// Shows the members of the object at the start of the text, in its order, and returns how long the object is.
///
/// `None` if there is no such object whole and flat: a value that is no plain scalar, an escape in a string, a mistake. What
/// was shown by then is to be forgotten. Whether a key comes twice is not looked at.
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

/// A place in a text; it always lies between two characters.
pub(crate) struct Cursor<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Bytes before the place.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over this ASCII character, if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over what JSON calls white space.
    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// A string without escapes; control characters are no JSON.
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

/// 1.0, 1e3 and -0 are not what an integer is printed as; 01 is no JSON.
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
    fn what_is_not_plain_is_left_to_a_parser() {
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
    fn what_is_no_json_is_not_read() {
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
