//! Parses the list of the whole fleet: an incomplete list is an error, a malformed row is reported beside the others.

use bytestring::ByteString;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::excerpt;
use crate::flat::Cursor;
use crate::row::{self, Reason};
use crate::{Bridge, BridgeId, Listing, MalformedRow, sha256};

/// The approximate length of a row with an id, a customer_ref, a state and a time, in bytes.
const SHORTEST_ROW: usize = 90;

/// Parses one JSON array; `None` if it is not complete, or something follows it.
pub(crate) fn listing(array: &ByteString) -> Option<Listing> {
    let mut malformed = Vec::new();
    // Reserving avoids copying a large fleet several times when the vector grows. Unused capacity is freed soon.
    let mut read: Vec<(usize, Bridge)> = Vec::with_capacity(array.len() / SHORTEST_ROW);
    let mut rows = Rows::of(array)?;
    for index in 0.. {
        let Some(row) = rows.next()? else { break };
        match row {
            (_, Ok(bridge)) => read.push((index, bridge)),
            (raw, Err(reason)) => malformed.push(refused(index, raw, reason)),
        }
    }
    // The sort is stable, so that of two rows with one id the first is kept.
    read.sort_by_key(|(_, bridge)| bridge.id);
    read.dedup_by(|(index, bridge), (_, first)| {
        let twice = bridge.id == first.id;
        if twice {
            malformed.push(refused(*index, &bridge.raw, format!("bridge {} is listed twice", bridge.id)));
        }
        twice
    });
    malformed.sort_by_key(|row| row.index);
    Some(Listing { bridges: read.into_iter().map(|(_, bridge)| bridge).collect(), malformed })
}

fn refused(index: usize, raw: &str, reason: Reason) -> MalformedRow {
    MalformedRow { index, reason, excerpt: excerpt(raw.as_bytes()) }
}

/// The rows of a JSON array, one after the other.
struct Rows<'a> {
    array: &'a ByteString,
    cursor: Cursor<'a>,
    first: bool,
}

impl<'a> Rows<'a> {
    fn of(array: &'a ByteString) -> Option<Self> {
        let mut cursor = Cursor { text: array, at: 0 };
        cursor.take(b'[')?;
        cursor.skip_space();
        Some(Self { array, cursor, first: true })
    }

    /// The next row with its text; `Some(None)` after the last row; `None` if the text is not a JSON array.
    fn next(&mut self) -> Option<Option<(&'a str, Result<Bridge, Reason>)>> {
        let cursor = &mut self.cursor;
        if cursor.take(b']').is_some() {
            return (cursor.at == self.array.len()).then_some(None);
        }
        if !std::mem::take(&mut self.first) {
            cursor.take(b',')?;
            cursor.skip_space();
        }
        let rest = &cursor.text[cursor.at..];
        let (raw, bridge) = match row::flat(self.array, rest) {
            Some((raw, bridge)) => (raw, Ok(bridge)),
            None => {
                let mut parser = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
                let raw = parser.next()?.ok()?.get();
                (raw, row::bridge(&self.array.slice_ref(raw)))
            }
        };
        cursor.at += raw.len();
        cursor.skip_space();
        // A bracket or a comma must follow; the next call reads it.
        let follows = cursor.text.as_bytes().get(cursor.at)?;
        matches!(follows, b',' | b']').then_some(Some((raw, bridge)))
    }
}

impl Listing {
    /// Whether the provider no longer has this bridge: the list could be read whole, and lacks it. A 404 alone may be a gateway's.
    pub fn lacks(&self, id: BridgeId) -> bool {
        self.malformed.is_empty() && self.bridges.iter().all(|bridge| bridge.id != id)
    }

    /// SHA-256, in hex, over all fields of the bridges except `raw`. Equal values mean equal listings.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let mut row = Vec::with_capacity(256);
        for bridge in &self.bridges {
            row.clear();
            row.extend(bridge.id.get().to_le_bytes());
            let customer_ref = bridge.customer_ref.as_ref().map(|it| it.as_str());
            for text in [customer_ref, bridge.state.as_deref(), bridge.raw_status.as_deref()] {
                // An absent text is encoded as an impossible length, so that different rows have different encodings.
                row.extend(text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
                row.extend(text.unwrap_or_default().as_bytes());
            }
            row.extend(bridge.created_at.map_or(i64::MIN, |at| at.timestamp_micros()).to_le_bytes());
            hasher.update(&row);
        }
        sha256::hex(hasher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(rows: &str) -> String {
        listing(&format!("[{rows}]").into()).unwrap().sha256()
    }

    #[test]
    fn equal_sha256_means_equal_listings() {
        let row =
            r#"{"id":1,"customer_ref":"ab","state":"c","status":"d","created_at":"2026-01-31T12:00:00Z"}"#;
        let same = r#" {"created_at":"2026-01-31T13:00:00+01:00","x":[1],"status":"\u0064","state":"c","customer_ref":"ab","id":1}"#;
        assert_eq!(sha256(row), sha256(same));
        for other in [
            r#"{"id":1,"customer_ref":"a","state":"bc","status":"d","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"id":2,"customer_ref":"ab","state":"c","status":"d","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"id":1,"state":"c","status":"d","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"id":1,"customer_ref":"ab","status":"d","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"id":1,"customer_ref":"ab","state":"c","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"id":1,"customer_ref":"ab","state":"c","status":"d"}"#,
            r#"{"id":1,"customer_ref":"ab","state":"c","status":"d","created_at":"2026-01-31T12:00:00.000001Z"}"#,
            r#"{"id":1,"customer_ref":"ab","state":"","status":"d","created_at":"2026-01-31T12:00:00Z"}"#,
            "",
        ] {
            assert_ne!(sha256(row), sha256(other), "{other}");
        }
        assert_ne!(sha256(r#"{"id":1,"state":""}"#), sha256(r#"{"id":1}"#));
    }
}
