//! Records every call received, in order, so that a test can check the calls its client made.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use crate::limits::Class;

/// One call received.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    #[serde(serialize_with = "microseconds")]
    pub at: DateTime<Utc>,
    pub method: String,
    /// The path as the client sent it: percent-encoded, without the query.
    pub path: String,
    pub class: Class,
    /// The HTTP status; `None` until the sandbox answers.
    pub status: Option<u16>,
    /// Taken from the body of a provisioning call, or decoded from the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_ref: Option<String>,
    /// The kind of the fault that struck the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}

/// Identifies one entry, even after the ledger was cleared.
#[derive(Clone, Copy, Debug)]
pub struct EntryId(u64);

/// Counts over the ledger.
#[derive(Debug, PartialEq, Serialize)]
pub struct LedgerSummary {
    /// By `"METHOD class"`.
    pub by_call: BTreeMap<String, usize>,
    /// By HTTP status; `"none"` counts calls without an answer.
    pub by_code: BTreeMap<String, usize>,
}

/// All calls since the start or the last clearing; it has no size limit.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    cleared: u64,
}

impl Ledger {
    /// Adds a call that has no answer yet.
    pub fn enter(&mut self, entry: Entry) -> EntryId {
        self.entries.push(entry);
        EntryId(self.cleared + self.entries.len() as u64 - 1)
    }

    /// Records the answer, unless the entry was cleared meanwhile.
    pub fn answered(&mut self, EntryId(id): EntryId, status: u16) {
        let place = id.checked_sub(self.cleared).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.status = Some(status);
        }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Removes all entries and returns their number.
    pub fn clear(&mut self) -> usize {
        let cleared = self.entries.len();
        self.cleared += cleared as u64;
        self.entries.clear();
        cleared
    }

    /// Counts by call and by code.
    pub fn summary(&self) -> LedgerSummary {
        let mut summary = LedgerSummary { by_call: BTreeMap::new(), by_code: BTreeMap::new() };
        for entry in &self.entries {
            let call = format!("{} {}", entry.method, entry.class.name());
            let code = entry.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            *summary.by_call.entry(call).or_default() += 1;
            *summary.by_code.entry(code).or_default() += 1;
        }
        summary
    }
}

/// RFC 3339, always with six digits after the second.
pub fn microseconds<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(class: Class) -> Entry {
        Entry {
            at: DateTime::UNIX_EPOCH,
            method: "GET".to_owned(),
            path: "/api/instances".to_owned(),
            class,
            status: None,
            customer_ref: None,
            fault: None,
        }
    }

    #[test]
    fn an_answer_finds_its_entry_after_the_ledger_was_cleared() {
        let mut ledger = Ledger::default();
        let stale = ledger.enter(entry(Class::Other));
        assert_eq!(ledger.clear(), 1);
        let fresh = ledger.enter(entry(Class::Proxy));
        ledger.enter(entry(Class::Proxy));
        ledger.answered(stale, 500);
        ledger.answered(fresh, 200);
        assert_eq!(ledger.entries().iter().map(|e| e.status).collect::<Vec<_>>(), [Some(200), None]);
        let summary = ledger.summary();
        assert_eq!(summary.by_call, [("GET proxy".to_owned(), 2)].into());
        assert_eq!(summary.by_code, [("200".to_owned(), 1), ("none".to_owned(), 1)].into());
    }

    #[test]
    fn times_carry_microseconds() {
        let json = serde_json::to_value(entry(Class::Other)).unwrap();
        assert_eq!(json["at"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(json["status"], serde_json::Value::Null);
    }
}
