//! Reads a phone number as people write it; SQL and `wab` accept the same forms.

use thiserror::Error;

/// A phone number in the provider's format: 7 to 15 digits of E.164, without the plus.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// The text is not an international phone number. The message does not quote it, because messages are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPhone {
    /// After the prefix and the separators are removed, it is not 7 to 15 digits.
    #[error(
        "a phone number has 7 to 15 digits with its country code; +, a leading 00, spaces, dashes, dots, slashes and brackets are \
         allowed: +1 (555) 000-1234"
    )]
    NotDigits,
    /// It begins with a zero, as numbers within a country do.
    #[error("a phone number begins with its country code, not with 0: +44 20 7946 0000, not 020 7946 0000")]
    NoCountryCode,
    /// It has a zero in brackets, which is dialled only within the country.
    #[error("a phone number has no 0 in brackets: +44 20 7946 0000, not +44 (0)20 7946 0000")]
    TrunkZero,
}

/// Characters that people put between the digits. The last three are the no-break space, the hyphen and the en dash.
const SEPARATORS: [char; 9] = [' ', '-', '.', '/', '(', ')', '\u{a0}', '\u{2010}', '\u{2013}'];

impl Phone {
    /// Accepts an international number: `15550001234`, `+1 (555) 000-1234`, `001 555 000 1234`.
    ///
    /// # Errors
    /// [`InvalidPhone`] names the reason.
    pub fn new(text: &str) -> Result<Self, InvalidPhone> {
        let text = text.trim();
        if text.replace([' ', '\u{a0}'], "").contains("(0") {
            return Err(InvalidPhone::TrunkZero);
        }
        let compact = text.replace(SEPARATORS, "");
        let digits = compact.strip_prefix('+').or_else(|| compact.strip_prefix("00")).unwrap_or(&compact);
        if digits.starts_with('0') {
            return Err(InvalidPhone::NoCountryCode);
        }
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits.to_owned())) } else { Err(InvalidPhone::NotDigits) }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Phone {
    type Err = InvalidPhone;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_written_as_people_write_it() {
        for text in [
            "15550001234",
            "+15550001234",
            "+1 555 000-1234",
            " +1 (555) 000–1234 ",
            "1.555.000.1234",
            "1/555/0001234",
            "0015550001234",
            "00 1 555 000 1234",
        ] {
            assert_eq!(Phone::new(text).unwrap().as_str(), "15550001234", "{text}");
        }
        assert_eq!(Phone::new("5550001").unwrap().as_str(), "5550001");
    }

    #[test]
    fn a_number_that_is_not_international_is_refused_with_the_reason() {
        use InvalidPhone::{NoCountryCode, NotDigits, TrunkZero};
        for (text, why) in [
            ("0155 500 1234", NoCountryCode),
            ("+0155 500 1234", NoCountryCode),
            ("+00 1 555 000 1234", NoCountryCode),
            ("000 1 555 000 1234", NoCountryCode),
            ("+44 (0)20 7946 0000", TrunkZero),
            ("+44 ( 0 20) 7946 0000", TrunkZero),
            ("++15550001234", NotDigits),
            ("1555+0001234", NotDigits),
            ("1555000123x", NotDigits),
            ("١٥٥٥٠٠٠١٢٣٤", NotDigits),
            ("", NotDigits),
            ("+", NotDigits),
            ("123456", NotDigits),
            ("1234567890123456", NotDigits),
        ] {
            assert_eq!(Phone::new(text), Err(why), "{text}");
        }
    }
}
