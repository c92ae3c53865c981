//! Rows of the list are flat JSON objects of plain scalars: read in one sweep, without a parser's state. No PostgreSQL here.

/// A member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number of at most 18 digits.
    Integer(i64),
    /// A string without escapes.
    Text(&'a str),
}

/// The members of a flat object; none if a key comes twice, a value is no plain scalar, or a string has an escape.
/// The text must be valid JSON: only what can be told from a first character is looked at.
pub fn members(json: &str) -> Option<Vec<(&str, Scalar<'_>)>> {
    let mut rest = json.trim_ascii().strip_prefix('{')?.strip_suffix('}')?.trim_ascii();
    let mut members: Vec<(&str, Scalar<'_>)> = Vec::with_capacity(8);
    while !rest.is_empty() {
        let (key, after) = text(rest)?;
        let (value, after) = scalar(after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start())?;
        if members.iter().any(|(known, _)| *known == key) {
            return None;
        }
        members.push((key, value));
        rest = after.trim_ascii_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
    }
    Some(members)
}

fn text(json: &str) -> Option<(&str, &str)> {
    let inside = json.strip_prefix('"')?;
    let (text, after) = inside.split_at(inside.find(['"', '\\'])?);
    Some((text, after.strip_prefix('"')?))
}

fn scalar(json: &str) -> Option<(Scalar<'_>, &str)> {
    if json.starts_with('"') {
        return text(json).map(|(text, after)| (Scalar::Text(text), after));
    }
    let (word, after) = json.split_at(json.find([',', '}', ' ', '\t', '\n', '\r']).unwrap_or(json.len()));
    let value = match word {
        "null" => Scalar::Null,
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        // A jsonb number keeps its digits, so that 1.0, 1e3 and -0 are no matter for an integer.
        _ if word.len() <= 18 && word != "-0" => Scalar::Integer(word.parse().ok()?),
        _ => return None,
    };
    Some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_row_is_read() {
        let row = r#"{"id":42, "customer_ref" : "café","gone":null,"up":true,"n":-7 }"#;
        let expected = [
            ("id", Scalar::Integer(42)),
            ("customer_ref", Scalar::Text("café")),
            ("gone", Scalar::Null),
            ("up", Scalar::Bool(true)),
            ("n", Scalar::Integer(-7)),
        ];
        assert_eq!(members(row).as_deref(), Some(&expected[..]));
        assert_eq!(members("{ }").as_deref(), Some(&[][..]));
    }

    #[test]
    fn what_is_not_plain_is_left_to_a_parser() {
        for row in [
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":"\u00fc"}"#,
            r#"{"a\n":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-0}"#,
            r#"{"a":12345678901234567890}"#,
            "[]",
            "1",
        ] {
            assert_eq!(members(row), None, "{row}");
        }
    }
}
