//! Finds a password in a password file, as libpq does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The folder of the socket on Debian and in most other packages. libpq connects to it if no host is given, and password files
/// call it localhost.
pub const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// A password. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What a password is for.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The host, or the folder of the socket.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The user.
    pub user: &'a str,
}

/// The content of a password file, or why it is not used.
#[derive(Clone, Debug, Default)]
pub struct PasswordFile {
    text: String,
    /// Why the file is not used, for the hint of a failed login.
    pub ignored: Option<String>,
}

impl PasswordFile {
    /// Reads the file. As in libpq, one that is missing, or that others may read, is not used.
    pub fn read(path: &Path) -> Self {
        let ignored = |why: &str| Self {
            ignored: Some(format!("the password file {} was not used: {why}", path.display())),
            ..Self::default()
        };
        let Ok(metadata) = path.metadata() else { return Self::default() };
        if !metadata.is_file() {
            return ignored("it is not a plain file");
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return ignored("other users may read it: chmod 600");
        }
        match std::fs::read_to_string(path) {
            Ok(text) => Self { text, ignored: None },
            Err(error) => ignored(&error.to_string()),
        }
    }

    /// The password of the first line that fits.
    pub fn find(&self, access: Access<'_>) -> Option<Password> {
        let Access { host, port, database, user } = access;
        let host = if host == SOCKET_FOLDER { "localhost" } else { host };
        let wanted = [host, &port.to_string(), database, user];
        self.text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let mut rest = line;
            let fits = wanted.iter().all(|value| {
                let field = field(&mut rest);
                field.raw == "*" || field.text == *value
            });
            let password = unescaped(rest);
            (fits && !password.is_empty()).then_some(Password(password))
        })
    }
}

struct Field<'a> {
    raw: &'a str,
    text: String,
}

/// Takes the text up to the next colon that is not escaped.
fn field<'a>(rest: &mut &'a str) -> Field<'a> {
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let is_end = c == ':' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let raw = &rest[..end.unwrap_or(rest.len())];
    *rest = end.map_or("", |end| &rest[end + 1..]);
    Field { raw, text: unescaped(raw) }
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let next = |chars: &mut std::str::Chars<'_>| match chars.next()? {
        '\\' => chars.next(),
        c => Some(c),
    };
    std::iter::from_fn(|| next(&mut chars)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str) -> Option<String> {
        let file = PasswordFile { text: text.to_owned(), ignored: None };
        let access = Access { host, port: 5432, database: "d", user: "u" };
        file.find(access).map(|password| password.0)
    }

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        for (text, password) in [
            ("h:5432:d:u:p", Some("p")),
            ("#h:5432:d:u:p\nh:5432:d:u:q", Some("q")),
            ("*:*:*:*:p", Some("p")),
            ("h:*:d:u:a\\:b\\\\c", Some("a:b\\c")),
            ("h:*:d:u:a:b", Some("a:b")),
            ("\\*:*:*:*:p", None),
            ("h:5433:d:u:p\nh:5432:e:u:p\nh:5432:d:v:p", None),
            ("h:5432:d:u:", None),
            ("h:5432", None),
        ] {
            assert_eq!(found(text, "h").as_deref(), password, "{text}");
        }
        assert_eq!(found("localhost:*:*:*:p", SOCKET_FOLDER).as_deref(), Some("p"));
        assert_eq!(found("localhost:*:*:*:p", "/elsewhere"), None);
        assert_eq!(found("/elsewhere:*:*:*:p", "/elsewhere").as_deref(), Some("p"));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used_and_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "*:*:*:*:p").unwrap();
        for (mode, is_used) in [(0o600, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = PasswordFile::read(file.path());
            assert_eq!(read.ignored.is_none(), is_used, "{mode:o}");
        }
        assert!(PasswordFile::read(Path::new("/nonexistent")).ignored.is_none());
    }
}
