//! The token that opens the board. Only its SHA-256 is kept.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ground::file;
use crate::model::Error;

/// The fewest characters: 32 hexadecimal digits are 128 bits.
const SHORTEST: usize = 32;

/// The token.
#[derive(Clone, Debug)]
pub struct Token {
    sha256: String,
}

impl Token {
    /// Reads the token from its file.
    ///
    /// # Errors
    /// The file cannot be read, other users can read it, or its text is too short.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let hint =
            "put a random text into it that only this user can read: umask 077; openssl rand -hex 32 > FILE";
        let unusable =
            |why: String| Error::config(format!("cannot use the token file {}: {why}", path.display()), hint);
        let text = file::read_text(path).map_err(|error| unusable(error.to_string()))?;
        let mode = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(unusable(format!(
                "every user of this machine can use it (mode {:03o})",
                mode & 0o777
            )));
        }
        let text = text.trim();
        if text.len() < SHORTEST || text.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(unusable(format!("the token is one word of at least {SHORTEST} ASCII characters")));
        }
        Ok(Self { sha256: wabridges::sha256::of(text) })
    }

    /// Whether this is the token. The time that the answer takes says nothing about the token.
    pub fn is(&self, text: &str) -> bool {
        let given = wabridges::sha256::of(text);
        let differences = given.bytes().zip(self.sha256.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        differences == 0
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Token, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        Token::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_one_long_word_that_others_cannot_read() {
        let word = "0123456789abcdef0123456789abcdef";
        let token = read(&format!("{word}\n"), 0o600).unwrap();
        assert!(token.is(word) && !token.is("") && !token.is(&word[1..]) && !token.is(&word.to_uppercase()));
        assert!(read(word, 0o640).is_ok());
        for (text, mode, why) in [
            (word, 0o644, "every user"),
            (word, 0o602, "every user"),
            (&word[1..], 0o600, "at least 32"),
            ("", 0o600, "at least 32"),
            ("0123456789abcdef 0123456789abcdef", 0o600, "one word"),
        ] {
            let error = read(text, mode).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(text.is_empty() || !error.contains(text));
        }
    }
}
