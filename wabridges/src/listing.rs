//! The list of the whole fleet: complete or an error, and one bad row does not lose it; what a row is, `row` knows.

use bytestring::ByteString;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::excerpt;
use crate::flat::Cursor;
use crate::row::{self, Reason};
use crate::{Bridge, Listing, MalformedRow, sha256};

/// About the length of a row with an id, a customer_ref, a state and a time, in bytes.
const SHORTEST_ROW: usize = 90;

/// Reads one JSON array; `None` if it is not whole, or something follows it.
pub(crate) fn listing(array: &ByteString) -> Option<Listing> {
    let mut malformed = Vec::new();
    // Growing by doubling would copy a large fleet several times; room that is not used costs nothing.
    let mut read: Vec<(usize, Bridge)> = Vec::with_capacity(array.len() / SHORTEST_ROW);
    let mut rows = Rows::of(array)?;
    for index in 0.. {
        let Some(row) = rows.next()? else { break };
        match row {
            (_, Ok(bridge)) => read.push((index, bridge)),
            (raw, Err(reason)) => malformed.push(refused(index, raw, reason)),
        }
    }
    // Stable, so that of two rows with one id the first is taken.
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

    /// The next row with its text, or that there is none; `None` outside for what is no JSON.
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
        // After the last row only the bracket may follow; a comma is looked for before the next.
        let follows = cursor.text.as_bytes().get(cursor.at)?;
        matches!(follows, b',' | b']').then_some(Some((raw, bridge)))
    }
}

impl Listing {
    /// SHA-256 (hex) over everything that was read of the bridges but their `raw`: equal digests, equal listings.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let mut row = Vec::with_capacity(256);
        for bridge in &self.bridges {
            row.clear();
            row.extend(bridge.id.get().to_le_bytes());
            let customer_ref = bridge.customer_ref.as_ref().map(|it| it.as_str());
            for text in [customer_ref, bridge.state.as_deref(), bridge.raw_status.as_deref()] {
                // A length that no text has stands for none, so that no two rows read alike.
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
    fn equal_digests_are_equal_listings() {
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
