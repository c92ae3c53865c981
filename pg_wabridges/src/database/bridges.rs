//! Reads and records single bridges and tenants: sessions to poll, the tenant row, and the results of calls.

use pgrx::prelude::*;
use wabridges::{BridgeId, CustomerRef};

use super::drift::warn_unwritten;
use super::phones::learn_phone;
use super::statement::{one, one_unlocked, read_one, read_rows, rows_unlocked};
use crate::answers::Provisioned;
use crate::error::Raise;
use crate::server;

/// At most `max_calls` bridges to ask for their status, out of `among`, or out of all observed ones if it is `None`.
pub fn poll_candidates(
    max_calls: i32,
    among: Option<&[(BridgeId, CustomerRef)]>,
) -> Result<Vec<(BridgeId, CustomerRef)>, Raise> {
    let ids = among.map(|all| all.iter().map(|(id, _)| id.get()).collect::<Vec<_>>());
    let refs = among.map(|all| all.iter().map(|(_, customer_ref)| customer_ref.as_str()).collect::<Vec<_>>());
    let sql = "SELECT c.bridge_id, c.customer_ref FROM @extschema@._wab_poll_candidates($1, $2, $3) c";
    let found = rows_unlocked(sql, &[max_calls.into(), ids.into(), refs.into()], |row| {
        Ok((row.get::<i64>(1)?, row.get::<String>(2)?))
    })?;
    Ok(found
        .into_iter()
        .filter_map(|(id, customer_ref)| Some((BridgeId::new(id?)?, CustomerRef::new(customer_ref?).ok()?)))
        .collect())
}

/// Counts the live bridges that a poll could ask and for which no status was ever observed.
pub fn never_polled() -> Result<i64, Raise> {
    read_one(include_str!("never_polled.sql"), &[], |row| Ok(row.get(1)?.unwrap_or(0)))
}

/// Stores the status that a tenant's session reported when it was asked, if this transaction and this role may, and returns the bridge's
/// status. `wab_normalize_status()` defines it where nothing is stored.
pub fn learn_session(
    customer_ref: &CustomerRef,
    raw_status: &str,
    asked_at: TimestampWithTimeZone,
) -> Result<String, Raise> {
    let may_record = || {
        let found = read_rows(include_str!("may_record_session.sql"), &[], |row| row.get(1))?;
        Ok::<_, Raise>(found.into_iter().flatten().next().unwrap_or(false))
    };
    if server::may_write() && may_record()? {
        return record_session(customer_ref, Some(raw_status), asked_at);
    }
    let sql = "SELECT @extschema@.wab_normalize_status($1)";
    let found = read_rows(sql, &[raw_status.into()], |row| row.get::<String>(1))?;
    Ok(found.into_iter().flatten().next().unwrap_or_else(|| "unknown".to_owned()))
}

/// Records that a pairing code was requested, if this transaction and this role may.
pub fn note_code(customer_ref: &CustomerRef) -> Result<(), Raise> {
    if !server::may_write()
        || read_one(include_str!("may_note_code.sql"), &[], |row| row.get(1))? != Some(true)
    {
        return Ok(());
    }
    let note = "SELECT n.valid_until FROM @extschema@._wab_note_code($1) n";
    one(note, &[customer_ref.as_str().into()], |_| Ok(()))
}

/// The webhook_url wanted for a tenant. Raises 22023 for an unknown tenant and 55000 for an unwanted one.
pub fn wanted_webhook_url(customer_ref: &CustomerRef) -> Result<Option<String>, Raise> {
    let sql = "SELECT @extschema@._wab_wanted_webhook_url($1)";
    one_unlocked(sql, &[customer_ref.as_str().into()], |row| row.get(1))
}

/// The bridge_id that the tenant row holds.
pub fn stored_bridge_id(customer_ref: &CustomerRef) -> Result<Option<i64>, Raise> {
    let sql = "SELECT @extschema@._wab_stored_bridge_id($1)";
    one_unlocked(sql, &[customer_ref.as_str().into()], |row| row.get(1))
}

/// Raises 42501 unless this role sees all rows and may record the result of a provider call.
pub fn require_recording() -> Result<(), Raise> {
    one_unlocked("SELECT @extschema@._wab_require_recording()", &[], |_| Ok(()))
}

/// Raises 55000 unless a tenants table is bound.
pub fn require_binding() -> Result<(), Raise> {
    one_unlocked("SELECT @extschema@._wab_require_binding()", &[], |_| Ok(()))
}

/// Raises 22023 if this bridge belongs to another database that shares the account.
pub fn require_ours(customer_ref: &CustomerRef) -> Result<(), Raise> {
    if read_one(include_str!("may_require_ours.sql"), &[], |row| row.get(1))? != Some(true) {
        return Ok(());
    }
    one_unlocked("SELECT @extschema@._wab_require_ours($1)", &[customer_ref.as_str().into()], |_| Ok(()))
}

/// Raises 55000 if several live bridges carry this customer_ref, so that a call to the session could reach any of them.
pub fn require_one_bridge(customer_ref: &CustomerRef) -> Result<(), Raise> {
    if read_one(include_str!("may_require_one_bridge.sql"), &[], |row| row.get(1))? != Some(true) {
        return Ok(());
    }
    let require = "SELECT @extschema@._wab_require_one_bridge($1)";
    one_unlocked(require, &[customer_ref.as_str().into()], |_| Ok(()))
}

/// Raises 55000 unless this tenant's row, if there is one, can take a bridge_id and each status.
pub fn require_row(customer_ref: &CustomerRef) -> Result<(), Raise> {
    // The objects of 0.2.0, which work with this library too, lack it.
    let exists = "SELECT pg_catalog.to_regprocedure('@extschema@._wab_require_row(text)') IS NOT NULL";
    if read_one(exists, &[], |row| row.get(1))? != Some(true) {
        return Ok(());
    }
    one_unlocked("SELECT @extschema@._wab_require_row($1)", &[customer_ref.as_str().into()], |_| Ok(()))
}

/// Calls `_wab_record_provision()`; `webhook_url` is the one that this call set, if it set one, and `asked_at` the time at
/// which the provider was called. Returns whether the tenant row was written; if not, a WARNING says why. An error would roll
/// back the record of the bridge.
pub fn record_provision(
    customer_ref: &CustomerRef,
    bridge: &Provisioned,
    webhook_url: Option<&str>,
    asked_at: TimestampWithTimeZone,
) -> Result<bool, Raise> {
    let args = [
        customer_ref.as_str().into(),
        bridge.id.get().into(),
        bridge.state.as_deref().into(),
        bridge.raw_status.as_deref().into(),
        webhook_url.into(),
    ];
    // The function of 0.2.0 returns void, which is an empty text here, as null is.
    let record = "SELECT pg_catalog.format('%s', @extschema@._wab_record_provision($1, $2, $3, $4, $5))";
    let reason = one(record, &args, |row| row.get::<String>(1))?.unwrap_or_default();
    if let Some(session) = &bridge.session {
        learn_phone(customer_ref, session, asked_at)?;
    }
    if reason.is_empty() {
        return Ok(true);
    }
    warn_unwritten(&[(customer_ref.as_str().to_owned(), reason)])?;
    Ok(false)
}

/// Calls `_wab_record_delete()`. A WARNING says why the row of a tenant that is not wanted still holds the bridge, if it does.
pub fn record_delete(id: BridgeId, customer_ref: &CustomerRef) -> Result<(), Raise> {
    let args = [id.get().into(), customer_ref.as_str().into()];
    // As for record_provision().
    let record = "SELECT pg_catalog.format('%s', @extschema@._wab_record_delete($1, $2))";
    let reason = one(record, &args, |row| row.get::<String>(1))?.unwrap_or_default();
    if reason.is_empty() {
        return Ok(());
    }
    warn_unwritten(&[(customer_ref.as_str().to_owned(), reason)])
}

/// Stores the status that a tenant's session reported when it was asked, and returns it normalized.
pub fn record_session(
    customer_ref: &CustomerRef,
    raw_status: Option<&str>,
    asked_at: TimestampWithTimeZone,
) -> Result<String, Raise> {
    let args = [customer_ref.as_str().into(), raw_status.into(), asked_at.into()];
    one("SELECT @extschema@._wab_record_session($1, $2, $3)", &args, |row| {
        Ok(row.get(1)?.unwrap_or_else(|| "unknown".to_owned()))
    })
}
