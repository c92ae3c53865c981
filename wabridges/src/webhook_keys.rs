//! Signs tenants' ids with the keys of a file, for the placeholder `{secret}` in a webhook_url, and verifies the signatures.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use url::Url;

/// The keys. They have no `Display`, and `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKeys(Vec<String>);

/// Why a text cannot be [`WebhookKeys`]. The error never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidWebhookKeys {
    /// Only white space, or nothing.
    #[error("it holds no key")]
    Empty,
    /// A key that could be guessed, or a comment.
    #[error("line {line} has fewer than {SHORTEST} characters, or a space in it")]
    Unusable {
        /// The number of the line, from 1.
        line: usize,
    },
    /// More keys than a rotation needs.
    #[error("it holds more than two keys")]
    Many,
}

/// A webhook_url with `{secret}`, and no keys to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the webhook_url has {{secret}} in it, and no file of webhook keys is named: nothing was sent")]
pub struct NoWebhookKeys;

/// The fewest characters of a key. `openssl rand -hex 32` prints 64.
const SHORTEST: usize = 32;

impl WebhookKeys {
    /// Stands for the signature in a webhook_url.
    pub const PLACEHOLDER: &str = "{secret}";

    /// Reads one key a line; empty lines do not count. The first key signs. The second one, the one before it, still verifies.
    ///
    /// # Errors
    /// [`InvalidWebhookKeys`] if there is none, one that could be guessed, or more than two.
    pub fn new(text: &str) -> Result<Self, InvalidWebhookKeys> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let read =
            |(nth, key): (usize, &str)| match key.len() >= SHORTEST && !key.contains(char::is_whitespace) {
                true => Ok(key.to_owned()),
                false => Err(InvalidWebhookKeys::Unusable { line: nth + 1 }),
            };
        match lines.map(read).collect::<Result<Vec<_>, _>>()? {
            none if none.is_empty() => Err(InvalidWebhookKeys::Empty),
            many if many.len() > 2 => Err(InvalidWebhookKeys::Many),
            keys => Ok(Self(keys)),
        }
    }

    /// The signature of a customer_ref: 64 hex digits.
    pub fn sign(&self, customer_ref: &str) -> String {
        let signed = self.0.first().and_then(|key| mac(key, customer_ref));
        let bytes = signed.map(|mac| mac.finalize().into_bytes());
        bytes.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether one of the keys signed this customer_ref so. The time that it takes tells nothing about the signature.
    pub fn verify(&self, customer_ref: &str, secret: &str) -> bool {
        let Some(bytes) = unhex(secret) else { return false };
        let by = |key: &String| mac(key, customer_ref).is_some_and(|mac| mac.verify_slice(&bytes).is_ok());
        self.0.iter().map(by).fold(false, |any, one| any | one)
    }
}

/// HMAC takes a key of any length.
fn mac(key: &str, customer_ref: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(customer_ref.as_bytes());
    Some(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    pairs.collect()
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKeys(…)")
    }
}

/// A webhook_url as it is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    url: String,
    secret: Option<String>,
}

impl WebhookUrl {
    /// Whether this text has the placeholder in it.
    pub fn needs_keys(template: &str) -> bool {
        template.contains(WebhookKeys::PLACEHOLDER)
    }

    /// Whether a call may send this text: it is an http or https address without a space or a control character.
    pub fn is_address(text: &str) -> bool {
        !Self::has_blanks(text) && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    }

    /// Whether the text has a space or a control character in it, also at its ends.
    pub fn has_blanks(text: &str) -> bool {
        text.contains(|c: char| c.is_whitespace() || c.is_control())
    }

    /// Puts the signature of the customer_ref in the place of `{secret}`.
    ///
    /// # Errors
    /// [`NoWebhookKeys`] if the template has the placeholder, and there are no keys.
    pub fn new(
        template: &str,
        customer_ref: &str,
        keys: Option<&WebhookKeys>,
    ) -> Result<Self, NoWebhookKeys> {
        if !Self::needs_keys(template) {
            return Ok(Self { url: template.to_owned(), secret: None });
        }
        let secret = keys.ok_or(NoWebhookKeys)?.sign(customer_ref);
        Ok(Self { url: template.replace(WebhookKeys::PLACEHOLDER, &secret), secret: Some(secret) })
    }

    /// The URL, with the signature.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The signature in it, which no message may show.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";
    const SIGNED: &str = "bb2ea8852b942c453e4a92d0f4c35ad4341d660eb78fcc7f9e2d8211d262c70e";

    #[test]
    fn a_signature_is_hmac_sha256() {
        let keys = WebhookKeys::new(&format!("{OLD}\n")).unwrap();
        // printf %s cust_01 | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(keys.sign("cust_01"), SIGNED);
        assert!(keys.verify("cust_01", SIGNED) && keys.verify("cust_01", &SIGNED.to_uppercase()));
        assert!(!keys.verify("cust_02", SIGNED));
        for wrong in ["", "x", "0", &SIGNED[..62], &SIGNED[..63], &format!("{SIGNED}00"), "é", "-1"] {
            assert!(!keys.verify("cust_01", wrong), "{wrong}");
        }
    }

    #[test]
    fn the_first_key_signs_and_both_verify() {
        let (old, new) = (WebhookKeys::new(OLD).unwrap(), WebhookKeys::new(NEW).unwrap());
        let both = WebhookKeys::new(&format!("\n {NEW} \r\n\n{OLD}\n")).unwrap();
        assert_eq!(both.sign("a"), new.sign("a"));
        assert!(both.verify("a", &old.sign("a")) && both.verify("a", &new.sign("a")));
        assert!(!new.verify("a", &old.sign("a")));
    }

    #[test]
    fn unusable_keys_are_refused_and_nothing_shows_them() {
        assert_eq!(WebhookKeys::new(" \n"), Err(InvalidWebhookKeys::Empty));
        let unusable = WebhookKeys::new(&format!("{OLD}\nshort"));
        assert_eq!(unusable, Err(InvalidWebhookKeys::Unusable { line: 2 }));
        let comment = WebhookKeys::new(&format!("# the key of the webhooks, made in March\n{OLD}"));
        assert_eq!(comment, Err(InvalidWebhookKeys::Unusable { line: 1 }));
        assert_eq!(WebhookKeys::new(&format!("{OLD}\n{NEW}\n{OLD}")), Err(InvalidWebhookKeys::Many));
        let url =
            WebhookUrl::new("https://x.test/{secret}", "a", WebhookKeys::new(OLD).ok().as_ref()).unwrap();
        assert_eq!(format!("{:?} {url:?}", WebhookKeys::new(OLD)), "Ok(WebhookKeys(…)) WebhookUrl(…)");
        assert!(url.as_str().ends_with(url.secret().unwrap()) && url.secret().unwrap().len() == 64);
    }

    #[test]
    fn a_url_without_the_placeholder_needs_no_keys() {
        assert_eq!(WebhookUrl::new("https://x.test/", "a", None).unwrap().as_str(), "https://x.test/");
        assert_eq!(WebhookUrl::new("https://x.test/{secret}", "a", None), Err(NoWebhookKeys));
    }
}
