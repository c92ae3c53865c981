//! Recognizes the object that one statement of our scripts creates or describes.

use crate::split::{Token, next_token};

/// A statement, with the parts that an upgrade needs. Names are as written in the script: `@extschema@.wab_x`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Object<'a> {
    /// A function or procedure.
    Routine {
        /// FUNCTION or PROCEDURE.
        kind: &'a str,
        name: &'a str,
        /// Its arguments without their defaults. Overloads of one name differ in them.
        arguments: String,
        /// Everything before LANGUAGE. CREATE OR REPLACE cannot change it.
        header: String,
    },
    View {
        name: &'a str,
    },
    Table {
        name: &'a str,
    },
    /// A composite or other type.
    Type {
        name: &'a str,
    },
    Index {
        name: &'a str,
    },
    Trigger {
        name: &'a str,
        table: &'a str,
    },
    Comment {
        /// FUNCTION, VIEW, COLUMN …
        kind: &'a str,
        /// The object's name; for a function with or without its arguments.
        on: &'a str,
    },
    /// A statement with a lasting effect, such as a GRANT, an INSERT or a call of `pg_extension_config_dump()`.
    Once,
    /// A statement that every upgrade may repeat: a setting, or a block whose result does not depend on earlier runs.
    Again,
    /// Any other statement.
    Unknown,
}

impl<'a> Object<'a> {
    pub(crate) fn of(statement: &'a str) -> Self {
        let words = words(statement);
        match *words.as_slice() {
            ["CREATE", kind @ ("FUNCTION" | "PROCEDURE"), name, ..] => routine(statement, kind, name),
            ["CREATE", "OR", "REPLACE", "FUNCTION", ..] => Self::Again,
            ["CREATE", "VIEW", name, ..] => Self::View { name },
            ["CREATE", "TABLE", name, ..] => Self::Table { name },
            ["CREATE", "TYPE", name, ..] => Self::Type { name },
            ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => Self::Index { name },
            ["CREATE", "TRIGGER", name, ..] => trigger(&words, name),
            ["COMMENT", "ON", kind, ..] => {
                let after = statement.split_once(kind).map_or("", |(_, after)| after);
                let on = after.split_once(" IS").map_or("", |(on, _)| on.trim());
                Self::Comment { kind, on }
            }
            ["GRANT" | "INSERT", ..] => Self::Once,
            ["SELECT", name, ..] if name.ends_with("pg_extension_config_dump") => Self::Once,
            ["SET" | "DO" | "SELECT", ..] => Self::Again,
            _ => Self::Unknown,
        }
    }
}

/// The statement's words up to its first quote. A qualified name is one word.
fn words(statement: &str) -> Vec<&str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '\'');
    let start = statement.split('\'').next().unwrap_or_default();
    start.split(ends).filter(|word| !word.is_empty()).collect()
}

fn trigger<'a>(words: &[&'a str], name: &'a str) -> Object<'a> {
    let on = words.iter().position(|word| *word == "ON");
    match on.and_then(|on| words.get(on + 1)) {
        Some(table) => Object::Trigger { name, table },
        None => Object::Unknown,
    }
}

fn routine<'a>(statement: &'a str, kind: &'a str, name: &'a str) -> Object<'a> {
    let mut header = String::new();
    let mut arguments = String::new();
    let mut depth = 0_usize;
    // True between DEFAULT and the end of that argument.
    let mut in_default = false;
    let mut rest = statement;
    while let Some((token, length)) = next_token(rest) {
        let text = if token == Token::Blank { " " } else { &rest[..length] };
        rest = &rest[length..];
        match token {
            Token::Word("LANGUAGE" | "AS") if depth == 0 => break,
            Token::Word("RETURNS") if depth == 0 => in_default = true,
            Token::Word("DEFAULT") if depth == 1 => in_default = true,
            Token::Other('(') => depth += 1,
            Token::Other(')') => depth = depth.saturating_sub(1),
            Token::Other(',') if depth == 1 => in_default &= header.contains(" RETURNS "),
            _ => {}
        }
        header.push_str(text);
        let is_argument = depth > 0 && !header.contains(" RETURNS ");
        if is_argument && !in_default && !(depth == 1 && token == Token::Other('(')) {
            arguments.push_str(text);
        }
    }
    let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
    let arguments = arguments.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",");
    Object::Routine { kind, name, arguments, header }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routine_is_known_by_its_arguments_and_bound_to_its_header() {
        let statement = "CREATE FUNCTION @extschema@.f(a text, b numeric(10,2) DEFAULT round(1, 2), c integer DEFAULT 3)\n\
                         RETURNS TABLE (x text, y text)\nLANGUAGE sql AS $$ SELECT 1 $$";
        let Object::Routine { kind, name, arguments, header } = Object::of(statement) else { panic!() };
        assert_eq!((kind, name), ("FUNCTION", "@extschema@.f"));
        assert_eq!(arguments, "a text, b numeric(10,2), c integer");
        assert!(header.ends_with("c integer DEFAULT 3) RETURNS TABLE (x text, y text)"), "{header}");
        let Object::Routine { arguments, header, .. } =
            Object::of("CREATE FUNCTION f() RETURNS void LANGUAGE sql")
        else {
            panic!()
        };
        assert_eq!((arguments.as_str(), header.as_str()), ("", "CREATE FUNCTION f() RETURNS void"));
    }

    #[test]
    fn every_statement_of_ours_is_known() {
        assert_eq!(Object::of("CREATE UNIQUE INDEX i ON t (a)"), Object::Index { name: "i" });
        assert_eq!(
            Object::of("CREATE TRIGGER t BEFORE UPDATE ON s.x FOR EACH ROW"),
            Object::Trigger { name: "t", table: "s.x" }
        );
        assert_eq!(
            Object::of("COMMENT ON FUNCTION f(a, b) IS\n 'It IS.'"),
            Object::Comment { kind: "FUNCTION", on: "f(a, b)" }
        );
        for part in crate::PARTS {
            let sql = part.sql();
            for statement in crate::statements(&sql) {
                assert_ne!(Object::of(statement), Object::Unknown, "{}: {statement}", part.file);
            }
        }
    }
}
