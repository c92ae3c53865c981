//! Parses a connection string as libpq does: a URI, or `keyword = value` pairs. No error repeats a value, because a
//! password may stand anywhere in a string that is written wrongly.

use crate::config::connection::keyword;

/// How a URI begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The parameters in the order of the string; a later one overrides an earlier one.
pub type Pairs = Vec<(&'static str, String)>;

/// What is wrong with a connection string, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// To follow the name of the string.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

const FORM: &str = "write it like postgres://user:password@host:5432/database";
const ENCODE: &str = "percent-encode user and password: @ as %40, / as %2F, : as %3A, % as %25";

fn unreadable(what: impl Into<String>, hint: &'static str) -> Unreadable {
    Unreadable { what: what.into(), hint }
}

/// Parses the string.
pub fn parse(text: &str) -> Result<Pairs, Unreadable> {
    match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => uri(rest),
        None if text.contains("://") || !text.contains('=') => {
            Err(unreadable("does not hold a PostgreSQL URL", FORM))
        }
        None => pairs(text),
    }
}

/// A parameter that libpq knows. An unknown name is only repeated if it cannot be a part of a password.
pub fn known(name: &str, is_shown: bool) -> Result<&'static str, Unreadable> {
    if let Some(keyword) = keyword::find(name) {
        return Ok(keyword.name);
    }
    let is_name =
        is_shown && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let what = match keyword::like(name) {
        _ if !is_name => "has a parameter that libpq does not know".to_owned(),
        Some(like) => format!("has the parameter {name}, which libpq does not know: did you mean {like}?"),
        None => format!("has the parameter {name}, which libpq does not know"),
    };
    Err(unreadable(what, "remove it; the PostgreSQL manual lists the parameters under libpq-connect"))
}

/// `user:password@host:port,host:port/database?keyword=value&…`, all but the ports percent-encoded.
fn uri(rest: &str) -> Result<Pairs, Unreadable> {
    let mut found = Pairs::new();
    let mut store = |name: &'static str, value: &str| {
        if !value.is_empty() {
            found.push((name, decoded(value)?));
        }
        Ok(())
    };
    let before_path = &rest[..rest.find('/').unwrap_or(rest.len())];
    let rest = match before_path.find('@') {
        Some(at) => {
            let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
            store("user", user)?;
            store("password", password)?;
            &rest[at + 1..]
        }
        None => rest,
    };
    let end = authority_end(rest)?;
    let (authority, rest) = rest.split_at(end);
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in authority.split(',') {
        let (host, port) = place_of(place)?;
        hosts.push(host);
        ports.push(port);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    if hosts.iter().any(|host| host.contains('@')) || database.contains('@') {
        return Err(unreadable("has an @ in its host or database", ENCODE));
    }
    store("host", &list(&hosts))?;
    store("port", &list(&ports))?;
    store("dbname", database)?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) =
            parameter.split_once('=').filter(|(_, value)| !value.contains('=')).ok_or_else(|| {
                unreadable(
                    "has a parameter that is not keyword=value",
                    "write it like ?sslmode=require; in a value, = is %3D and & is %26",
                )
            })?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        // JDBC's spelling, which libpq accepts.
        let is_jdbc = name == "ssl" && value == "true";
        match is_jdbc {
            true => found.push(("sslmode", "require".to_owned())),
            false => found.push((known(&name, !query.contains('@'))?, value)),
        }
    }
    Ok(found)
}

/// Where the hosts end. A slash or a question mark cannot stand between brackets.
fn authority_end(rest: &str) -> Result<usize, Unreadable> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let opened = rest[..end].matches('[').count();
    match opened == rest[..end].matches(']').count() {
        true => Ok(end),
        false => Err(unreadable(
            "has an IPv6 address without its closing ]",
            "write it like postgres://[::1]:5432/database",
        )),
    }
}

/// Host and port of `host:port` or `[address]:port`.
fn place_of(place: &str) -> Result<(&str, &str), Unreadable> {
    let Some(bracketed) = place.strip_prefix('[') else {
        return Ok(place.split_once(':').unwrap_or((place, "")));
    };
    let wrong = || unreadable("has an IPv6 address that is not like [::1] or [::1]:5432", FORM);
    let (address, rest) = bracketed.split_once(']').ok_or_else(wrong)?;
    match (address, rest.strip_prefix(':')) {
        ("", _) => Err(wrong()),
        (_, Some(port)) => Ok((address, port)),
        (_, None) if rest.is_empty() => Ok((address, "")),
        _ => Err(wrong()),
    }
}

/// Nothing if no element says anything.
fn list(elements: &[&str]) -> String {
    match elements {
        [one] => (*one).to_owned(),
        several => several.join(","),
    }
}

fn decoded(text: &str) -> Result<String, Unreadable> {
    let wrong = || unreadable("has a % that does not begin a percent-encoded character", ENCODE);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                value
                    .and_then(|value| u8::try_from(value).ok())
                    .filter(|byte| *byte != 0)
                    .ok_or_else(wrong)?
            }
            plain => plain,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// `keyword = value`, separated by spaces. A value with spaces stands in single quotes; a backslash escapes.
fn pairs(text: &str) -> Result<Pairs, Unreadable> {
    let wrong = |what: &str| unreadable(what, "write it like host=localhost dbname='my app'");
    let mut found = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest
            .split_once('=')
            .filter(|(name, _)| !name.trim_end().contains(char::is_whitespace))
            .ok_or_else(|| wrong("has a parameter without ="))?;
        let mut value = String::new();
        let after = after.trim_start();
        let is_quoted = after.starts_with('\'');
        let mut chars = after.char_indices().skip(usize::from(is_quoted));
        let end = loop {
            match chars.next() {
                Some((at, '\'')) if is_quoted => break at + 1,
                Some((at, c)) if !is_quoted && c.is_whitespace() => break at,
                Some((_, '\\')) => value.extend(chars.next().map(|(_, c)| c)),
                Some((_, c)) => value.push(c),
                None if is_quoted => return Err(wrong("has a quoted value without its closing '")),
                None => break after.len(),
            }
        };
        found.push((known(name.trim_end(), true)?, value));
        rest = after[end..].trim_start();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(pairs) => {
                pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            }
            Err(Unreadable { what, .. }) => format!("! {what}"),
        }
    }

    #[test]
    fn a_string_is_read_as_libpq_reads_it() {
        for (text, pairs) in [
            ("postgres://", ""),
            ("postgresql:///d", "dbname=d"),
            ("postgres://u@h/d", "user=u host=h dbname=d"),
            ("postgres://u:p%40%2Fq@h:1/d", "user=u password=p@/q host=h port=1 dbname=d"),
            ("postgres://u:p#1?2@h/d", "user=u password=p#1?2 host=h dbname=d"),
            ("postgres://:p@h", "password=p host=h"),
            ("postgres://[::1]:5433/d", "host=::1 port=5433 dbname=d"),
            ("postgres://[::1]", "host=::1"),
            ("postgres://a:1,[::2],c:3/d", "host=a,::2,c port=1,,3 dbname=d"),
            ("postgres://a,b/d", "host=a,b port=, dbname=d"),
            ("postgres://%2Frun%2Fpg/d", "host=/run/pg dbname=d"),
            ("postgres://h?sslmode=require", "host=h sslmode=require"),
            ("postgres:///d?host=/run/pg&port=5433", "dbname=d host=/run/pg port=5433"),
            ("postgres://h/d?ssl=true", "host=h dbname=d sslmode=require"),
            ("postgres://h/d?application_name=a+b", "host=h dbname=d application_name=a+b"),
            ("postgres://h/d?user=me@x", "host=h dbname=d user=me@x"),
            ("host=h dbname = 'my \\'app' user=", "host=h dbname=my 'app user="),
            ("host=h\nport=1", "host=h port=1"),
        ] {
            assert_eq!(shown(text), pairs, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_never_repeated() {
        for (text, what) in [
            ("jdbc:postgresql://u:secret@h/d", "does not hold a PostgreSQL URL"),
            ("mysql://u:secret@h/d?x=y", "does not hold a PostgreSQL URL"),
            ("secret", "does not hold a PostgreSQL URL"),
            ("postgres://u:x@secret@h/d", "has an @ in its host or database"),
            ("postgres://u:1/secret@h/d", "has an @ in its host or database"),
            ("postgres://u:%secret@h/d", "has a % that does not begin a percent-encoded character"),
            ("postgres://h/d?secret", "has a parameter that is not keyword=value"),
            ("postgres://u:1/d?secret=x@h/d", "has a parameter that libpq does not know"),
            ("postgres://[::1/d", "has an IPv6 address without its closing ]"),
            ("postgres://[]/d", "has an IPv6 address that is not like [::1] or [::1]:5432"),
            (
                "postgres://h/d?sslmod=require",
                "has the parameter sslmod, which libpq does not know: did you mean sslmode?",
            ),
            ("postgres://h/d?pgbouncer=true", "has the parameter pgbouncer, which libpq does not know"),
            ("host=h password='secret", "has a quoted value without its closing '"),
            ("host=h secret", "has a parameter without ="),
        ] {
            assert_eq!(shown(text), format!("! {what}"), "{text}");
        }
    }
}
