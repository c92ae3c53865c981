//! Reads the incidents that are due for an alert, and records what became of it.

use pgrx::prelude::*;

use super::statement::{one, read_one};
use crate::error::Raise;

/// A document for the receiver, and the incidents whose beginning or end it tells.
pub struct Due {
    /// JSON.
    pub document: String,
    pub began: Vec<String>,
    pub ended: Vec<String>,
    /// Of those that began, the ones that it tells to be of one bridge.
    pub alone: Vec<String>,
}

/// Whether this transaction may send: `ready`, `busy` or `waiting`, as `_wab_begin_alerts()` says.
pub fn begin_alerts() -> Result<String, Raise> {
    one("SELECT @extschema@._wab_begin_alerts()", &[], |row| Ok(row.get(1)?.unwrap_or_default()))
}

/// What `_wab_due_alerts()` returns.
pub fn due_alerts() -> Result<Due, Raise> {
    let sql =
        "SELECT d.document::pg_catalog.text, d.began, d.ended, d.alone FROM @extschema@._wab_due_alerts() d";
    read_one(sql, &[], |row| {
        Ok(Due {
            document: row.get(1)?.unwrap_or_default(),
            began: row.get(2)?.unwrap_or_default(),
            ended: row.get(3)?.unwrap_or_default(),
            alone: row.get(4)?.unwrap_or_default(),
        })
    })
}

/// Records that the receiver has the document.
pub fn alerts_sent(due: &Due) -> Result<(), Raise> {
    let args = [due.began.clone().into(), due.ended.clone().into(), due.alone.clone().into()];
    one("SELECT @extschema@._wab_alerts_sent($1, $2, $3)", &args, |_| Ok(()))
}

/// Records why the receiver does not have it; returns when to try again.
pub fn alerts_failed(error: &str) -> Result<Option<TimestampWithTimeZone>, Raise> {
    one("SELECT @extschema@._wab_alerts_failed($1)", &[error.into()], |row| row.get(1))
}

/// Records that the job failed before it could send.
pub fn note_alerts_failed(error: &str) -> Result<(), Raise> {
    let note = "SELECT @extschema@._wab_note_job('alerts', '55000', 'the alerts could not be sent', $1)";
    one(note, &[error.into()], |_| Ok(()))
}

/// Records a run of the job without a receiver.
pub fn note_alerts() -> Result<(), Raise> {
    one("SELECT @extschema@._wab_note_job('alerts')", &[], |_| Ok(()))
}
