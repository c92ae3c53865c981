//! An answer to the list that is read only if it is, byte for byte, another one than before.

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::excerpt;
use crate::listing::hex;
use crate::request::{self, Fault};
use crate::{Error, Listing, MalformedRow};

/// What an earlier answer was, and what it was read as; none of its rows was malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its [`Listed::answer_digest`].
    pub answer_digest: String,
    /// Its [`Listed::digest`].
    pub digest: String,
}

/// A complete answer to the list.
#[derive(Debug)]
pub struct Listed {
    body: Bytes,
    answer_digest: String,
    digest: String,
    /// Not there while nobody needed it.
    listing: OnceLock<Listing>,
}

impl Listed {
    /// Takes an answer, and reads it unless it is the earlier one.
    pub(crate) fn of(body: &Bytes, earlier: Option<&Earlier>) -> Result<Self, Fault> {
        let answer_digest = answer_digest(body);
        let (digest, listing) = match earlier {
            Some(earlier) if earlier.answer_digest == answer_digest => {
                (earlier.digest.clone(), OnceLock::new())
            }
            _ => {
                let listing = request::read_list(body)?;
                (listing.digest(), listing.into())
            }
        };
        Ok(Self { body: body.clone(), answer_digest, digest, listing })
    }

    /// [`Listing::digest`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// SHA-256 (hex) over the answer as it came, and over the version that reads it: equal ones were read alike.
    pub fn answer_digest(&self) -> &str {
        &self.answer_digest
    }

    /// The fleet, if it was read: not that of the earlier answer while nobody asked for it.
    pub fn if_read(&self) -> Option<&Listing> {
        self.listing.get()
    }

    /// The rows that could not be read; the earlier answer had none.
    pub fn malformed(&self) -> &[MalformedRow] {
        self.if_read().map_or(&[], |listing| &listing.malformed)
    }

    /// The fleet; read now, if it was not yet.
    ///
    /// # Errors
    /// [`Error::BadAnswer`] where the earlier answer was none that can be read, whoever said so.
    pub fn listing(&self) -> Result<&Listing, Error> {
        if let Some(listing) = self.if_read() {
            return Ok(listing);
        }
        let listing = request::read_list(&self.body).map_err(|what| Error::BadAnswer {
            status: 200,
            what,
            excerpt: excerpt(&self.body),
        })?;
        Ok(self.listing.get_or_init(|| listing))
    }
}

/// A version that reads other fields must not take the word of one that did not.
fn answer_digest(body: &[u8]) -> String {
    let sha256 = Sha256::new_with_prefix(concat!("wabridges ", env!("CARGO_PKG_VERSION"), "\n"));
    hex(sha256.chain_update(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"id":1,"customer_ref":"a"},{"id":2,"customer_ref":"b"}]"#;

    fn listed(body: &'static str, earlier: Option<&Earlier>) -> Listed {
        Listed::of(&Bytes::from_static(body.as_bytes()), earlier).unwrap()
    }

    fn earlier(listed: &Listed) -> Earlier {
        Earlier { answer_digest: listed.answer_digest().to_owned(), digest: listed.digest().to_owned() }
    }

    #[test]
    fn the_earlier_answer_is_read_only_when_it_is_needed() {
        let first = listed(LIST, None);
        assert!(first.if_read().is_some());
        let again = listed(LIST, Some(&earlier(&first)));
        assert!(again.if_read().is_none() && again.malformed().is_empty());
        assert_eq!(earlier(&again), earlier(&first));
        assert_eq!(again.listing().unwrap(), first.listing().unwrap());
        assert!(again.if_read().is_some());
    }

    #[test]
    fn another_answer_is_read_though_it_says_the_same() {
        let first = listed(LIST, None);
        for body in [
            r#"[{"id":1,"customer_ref":"a"},{"id":2,"customer_ref":"b"} ]"#,
            r#"[{"id":2,"customer_ref":"b"},{"id":1,"customer_ref":"a"}]"#,
            r#"[{"id":1,"customer_ref":"a","uptime":7},{"id":2,"customer_ref":"b"}]"#,
        ] {
            let other = listed(body, Some(&earlier(&first)));
            assert!(other.if_read().is_some(), "{body}");
            assert_ne!(other.answer_digest(), first.answer_digest(), "{body}");
            assert_eq!(other.digest(), first.digest(), "{body}");
        }
    }

    #[test]
    fn what_is_no_list_is_no_answer_whatever_was_said_of_it() {
        let page = Bytes::from_static(b"<html>");
        assert!(Listed::of(&page, None).is_err());
        let lie = Earlier { answer_digest: answer_digest(&page), digest: "x".to_owned() };
        let listed = Listed::of(&page, Some(&lie)).unwrap();
        assert!(matches!(listed.listing(), Err(Error::BadAnswer { status: 200, .. })));
        assert!(listed.if_read().is_none());
    }
}
