//! Defines the API key as a type that cannot be displayed. The caller reads the key from its file or environment.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use thiserror::Error;

use crate::sha256;

/// The account's secret. It has no `Display` and no `Serialize`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Why a text cannot be an [`ApiKey`]. The error never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidApiKey {
    /// Only white space, or nothing.
    #[error("the API key is empty: set it to the account's key (sk_…)")]
    Empty,
    /// Quotes around it: a shell removes them, a file keeps them.
    #[error("the API key has quotes around it: write only the key (sk_…), without quotes")]
    Quoted,
    /// A line of a shell script or an env file, such as `WA_API_KEY=sk_…`.
    #[error("the API key is written as an assignment, NAME=sk_…: write only the key, without the name")]
    Assignment,
    /// A character that an HTTP header cannot hold.
    #[error("the API key has a space, a control or a non-ASCII character at byte {at}: copy it again")]
    Character {
        /// The offset of the first wrong byte after trimming, from 0.
        at: usize,
    },
}

/// Quotes of shells and env files.
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Whether the text sets an environment variable. A name has upper-case letters only, so that no key is taken for one.
fn is_assignment(text: &str) -> bool {
    let text = text.strip_prefix("export").map_or(text, str::trim_start);
    let Some((name, value)) = text.split_once('=') else { return false };
    let name = name.trim_end();
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_name) && !value.is_empty()
}

/// The shortest key that is replaced in answers, in bytes. A shorter one, as of a test server, is part of ids and pictures by chance.
const SHORTEST_REDACTED: usize = 6;

/// The replacement for the key in answers that echo it.
const REDACTED: &[u8] = b"[redacted]";

impl ApiKey {
    /// Trims white space around the key (files end in a newline) and checks that an HTTP header can hold it.
    ///
    /// # Errors
    /// [`InvalidApiKey`] if the key is empty, has quotes or a variable's name around it, or has a character that a header
    /// cannot hold.
    pub fn new(key: impl AsRef<str>) -> Result<Self, InvalidApiKey> {
        let key = key.as_ref().trim();
        if key.is_empty() {
            return Err(InvalidApiKey::Empty);
        }
        if is_assignment(key) {
            return Err(InvalidApiKey::Assignment);
        }
        if key.starts_with(QUOTES) || key.ends_with(QUOTES) {
            return Err(InvalidApiKey::Quoted);
        }
        match key.bytes().position(|b| !b.is_ascii_graphic()) {
            Some(at) => Err(InvalidApiKey::Character { at }),
            None => Ok(Self(key.to_owned())),
        }
    }

    /// The first 16 hex digits of the key's SHA-256. It identifies the key without revealing it.
    pub fn fingerprint(&self) -> String {
        let mut sha256 = sha256::of(&self.0);
        sha256.truncate(16);
        sha256
    }

    /// The Authorization header's value, marked sensitive.
    pub(crate) fn header(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The same bytes with every occurrence of the key replaced, because a server may echo it.
    pub(crate) fn redact(&self, body: Bytes) -> Bytes {
        if self.0.len() < SHORTEST_REDACTED { body } else { redacted(body, self.0.as_bytes()) }
    }
}

/// The same bytes with every occurrence of the secret replaced.
pub(crate) fn redacted(body: Bytes, secret: &[u8]) -> Bytes {
    let Some(mut at) = memmem::find(&body, secret) else { return body };
    let mut clean = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    loop {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED);
        rest = &rest[at + secret.len()..];
        match memmem::find(rest, secret) {
            Some(next) => at = next,
            None => break,
        }
    }
    clean.extend_from_slice(rest);
    clean.into()
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;

    fn from_str(key: &str) -> Result<Self, InvalidApiKey> {
        Self::new(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_never_shown() {
        let key = ApiKey::new(" sk_test_secret\n").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        assert_eq!(format!("{:?}", key.header().unwrap()), "Sensitive");
        assert_eq!(key, "sk_test_secret".parse().unwrap());
    }

    #[test]
    fn the_fingerprint_is_the_start_of_the_sha256() {
        assert_eq!(ApiKey::new("abc").unwrap().fingerprint(), "ba7816bf8f01cfea");
    }

    #[test]
    fn unusable_keys_are_refused_without_being_repeated() {
        assert_eq!(ApiKey::new(" \n"), Err(InvalidApiKey::Empty));
        for key in ["sk_sécret", "sk secret", "sk\nsecret", "sk\u{7f}secret"] {
            let error = ApiKey::new(key).unwrap_err();
            assert_eq!(error, InvalidApiKey::Character { at: if key.contains('é') { 4 } else { 2 } });
            assert!(!error.to_string().contains(key));
        }
    }

    #[test]
    fn a_key_with_quotes_or_a_name_around_it_is_told_apart() {
        for key in ["\"sk_secret\"", "'sk_secret'\n", "sk_secret\"", "`sk_secret`"] {
            assert_eq!(ApiKey::new(key), Err(InvalidApiKey::Quoted), "{key}");
        }
        for key in
            ["WA_API_KEY=sk_secret", "export WA_API_KEY='sk_secret'", "WA_API_KEY = sk_secret", "KEY=\"x\""]
        {
            let error = ApiKey::new(key).unwrap_err();
            assert_eq!(error, InvalidApiKey::Assignment, "{key}");
            assert!(!error.to_string().contains("secret"));
        }
        for key in ["sk_a=b", "sk_secret==", "ABC="] {
            assert!(ApiKey::new(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn an_echoed_key_is_replaced() {
        let key = ApiKey::new("sk_12345").unwrap();
        let redacted = |body: &'static str| key.redact(Bytes::from(body));
        assert_eq!(redacted("bad key ssk_12345, sk_12345"), "bad key s[redacted], [redacted]");
        assert_eq!(redacted("sk_ sk_12346"), "sk_ sk_12346");
        assert_eq!(redacted(""), "");
        let short = ApiKey::new("k").unwrap();
        assert_eq!(short.redact(Bytes::from("kate_k")), "kate_k");
    }
}
