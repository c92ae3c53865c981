//! Splits an SQL script into its statements.

/// The statements of a script, in order, without the comments before them and the semicolon after them. Lines that begin
/// with a backslash are psql commands and are left out.
#[must_use]
pub fn statements(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = script;
    loop {
        rest = skip_to_statement(rest);
        if rest.is_empty() {
            return found;
        }
        let length = length_of_statement(rest);
        found.push(rest[..length].trim_end());
        rest = rest[length..].strip_prefix(';').unwrap_or_default();
    }
}

/// A lexical element of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// White space or a comment.
    Blank,
    /// A keyword or a name without quotes.
    Word(&'a str),
    /// A text or a name in quotes of any kind.
    Quoted,
    /// Any other character.
    Other(char),
}

fn skip_to_statement(mut rest: &str) -> &str {
    loop {
        if rest.starts_with('\\') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        match next_token(rest) {
            Some((Token::Blank, length)) => rest = &rest[length..],
            _ => return rest,
        }
    }
}

/// The length in bytes of the first statement, without its semicolon.
fn length_of_statement(text: &str) -> usize {
    let mut at = 0;
    let mut parentheses = 0_usize;
    // The nesting depth of BEGIN ATOMIC … END and of the CASE … END inside it.
    let mut blocks = 0_usize;
    let mut previous = "";
    while let Some((token, length)) = next_token(&text[at..]) {
        match token {
            Token::Other(';') if parentheses == 0 && blocks == 0 => return at,
            Token::Other('(') => parentheses += 1,
            Token::Other(')') => parentheses = parentheses.saturating_sub(1),
            Token::Word(word)
                if word.eq_ignore_ascii_case("atomic") && previous.eq_ignore_ascii_case("begin") =>
            {
                blocks += 1;
            }
            Token::Word(word) if blocks > 0 && word.eq_ignore_ascii_case("case") => blocks += 1,
            Token::Word(word) if blocks > 0 && word.eq_ignore_ascii_case("end") => blocks -= 1,
            _ => {}
        }
        match token {
            Token::Blank => {}
            Token::Word(word) => previous = word,
            Token::Quoted | Token::Other(_) => previous = "",
        }
        at += length;
    }
    at
}

/// The first token of a text and its length in bytes.
pub(crate) fn next_token(text: &str) -> Option<(Token<'_>, usize)> {
    let first = text.chars().next()?;
    let token = match first {
        _ if first.is_whitespace() => {
            (Token::Blank, text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len()))
        }
        '-' if text.starts_with("--") => (Token::Blank, text.find('\n').unwrap_or(text.len())),
        '/' if text.starts_with("/*") => (Token::Blank, length_of_comment(text)),
        '\'' | '"' => (Token::Quoted, length_of_quoted(text, first, Backslash::IsText)),
        'e' | 'E' if text[1..].starts_with('\'') => {
            (Token::Quoted, 1 + length_of_quoted(&text[1..], '\'', Backslash::Escapes))
        }
        '$' => length_of_dollar_quoted(text).map_or((Token::Other('$'), 1), |length| (Token::Quoted, length)),
        _ if begins_name(first) => {
            let length = text.find(|c: char| !continues_name(c)).unwrap_or(text.len());
            (Token::Word(&text[..length]), length)
        }
        _ => (Token::Other(first), first.len_utf8()),
    };
    Some(token)
}

fn begins_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic() || !c.is_ascii()
}

fn continues_name(c: char) -> bool {
    begins_name(c) || c == '$' || c.is_ascii_digit()
}

/// The length in bytes of a `/* … */` comment. These nest.
fn length_of_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    IsText,
    Escapes,
}

/// The length in bytes up to the closing quote. A doubled quote ends one token and starts the next, which does not matter
/// for splitting.
fn length_of_quoted(text: &str, quote: char, backslash: Backslash) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + 1;
        }
        if c == '\\' && backslash == Backslash::Escapes {
            chars.next();
        }
    }
    text.len()
}

/// The length in bytes of a dollar-quoted text; `None` if the dollar starts no quote, as in `$1`.
fn length_of_dollar_quoted(text: &str) -> Option<usize> {
    let tag = &text[..1 + text[1..].find('$')? + 1];
    let name = &tag[1..tag.len() - 1];
    let is_tag =
        name.chars().next().is_none_or(begins_name) && name.chars().all(|c| c != '$' && continues_name(c));
    if !is_tag {
        return None;
    }
    let body = &text[tag.len()..];
    Some(tag.len() + body.find(tag).map_or(body.len(), |end| end + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_their_semicolon_and_at_no_other() {
        for (script, expected) in [
            ("", &[][..]),
            (" -- nothing; at all\n/* nor; here */ \n", &[]),
            ("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"]),
            ("SELECT 1 ;\n\n-- why;\nSELECT 2;\n", &["SELECT 1", "SELECT 2"]),
            ("\\echo Use \"CREATE EXTENSION x;\" \\quit\nSELECT 1;", &["SELECT 1"]),
            ("SELECT ';', 'it''s;', \"a;\"\"b\";X", &["SELECT ';', 'it''s;', \"a;\"\"b\"", "X"]),
            (r"SELECT 'a\'; SELECT E'a\';b\\'; X", &[r"SELECT 'a\'", r"SELECT E'a\';b\\'", "X"]),
            (r"SELECT type'a\'; X", &[r"SELECT type'a\'", "X"]),
            ("SELECT $$a;$$; SELECT $q$a;$$;$x$;$q$; X", &["SELECT $$a;$$", "SELECT $q$a;$$;$x$;$q$", "X"]),
            ("SELECT $1; SELECT a$b$; SELECT $1$2; X", &["SELECT $1", "SELECT a$b$", "SELECT $1$2", "X"]),
            ("SELECT $ü$;$ü$; X", &["SELECT $ü$;$ü$", "X"]),
            ("SELECT 1 /* a; /* b; */ c; */ + 1; X", &["SELECT 1 /* a; /* b; */ c; */ + 1", "X"]),
            ("SELECT 1 - -1; SELECT 1 --; '\n; X", &["SELECT 1 - -1", "SELECT 1 --; '", "X"]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (A; B); X",
                &["CREATE RULE r AS ON INSERT TO t DO (A; B)", "X"],
            ),
            (
                "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 2; END; X",
                &["CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 2; END", "X"],
            ),
            ("BEGIN; COMMIT; END", &["BEGIN", "COMMIT", "END"]),
            ("SELECT 'open; to the end", &["SELECT 'open; to the end"]),
            ("SELECT $a$ open; $b$", &["SELECT $a$ open; $b$"]),
        ] {
            assert_eq!(statements(script), expected, "{script}");
        }
    }

    #[test]
    fn the_statements_of_our_files_are_whole() {
        for part in crate::PARTS {
            for statement in statements(part.text) {
                let word = statement.split([' ', '\n']).next().unwrap_or_default();
                let known = ["CREATE", "COMMENT", "GRANT", "DO", "SELECT", "SET", "INSERT", "ALTER"];
                assert!(known.contains(&word), "{}: {statement}", part.file);
            }
        }
    }
}
