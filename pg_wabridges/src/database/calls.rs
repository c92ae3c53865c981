//! Records who made a provider call: a line in the server's log before it, and a row of `wab_calls` after the answer.

use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::prelude::*;
use wabridges::{BridgeId, CustomerRef};

use super::statement::{one, one_unlocked, read_one};
use crate::error::Raise;
use crate::{server, server_log};

/// A provider call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    Provision,
    Pair,
    Logout,
    Delete,
}

impl CallKind {
    /// The value in `wab_calls.call`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Pair => "pair",
            Self::Logout => "logout",
            Self::Delete => "delete",
        }
    }
}

/// A call that was announced and has no answer yet.
pub struct Call {
    kind: CallKind,
    customer_ref: CustomerRef,
    began: TimestampWithTimeZone,
}

/// Raises 42501 unless this role may record the call.
pub fn require_call_record() -> Result<(), Raise> {
    if !is_recorded()? {
        return Ok(());
    }
    one_unlocked("SELECT @extschema@._wab_require_call_record()", &[], |_| Ok(()))
}

/// Writes the call to the server's log, which keeps it whatever becomes of the transaction. A bridge is named if the call names it.
pub fn announce(kind: CallKind, customer_ref: &CustomerRef, bridge: Option<BridgeId>) -> Result<Call, Raise> {
    let sql = "SELECT pg_catalog.format('wab: %s calls the provider: %s of %stenant %s (application_name: %s)', session_user, $1,
                   'bridge ' OPERATOR(pg_catalog.||) $3 OPERATOR(pg_catalog.||) ' of ',
                   pg_catalog.left($2, 200), pg_catalog.current_setting('application_name'))";
    let args = [kind.as_str().into(), customer_ref.as_str().into(), bridge.map(|id| id.to_string()).into()];
    server_log::write(&one_unlocked(sql, &args, |row| row.get::<String>(1))?.unwrap_or_default());
    Ok(Call { kind, customer_ref: customer_ref.clone(), began: server::now() })
}

/// Records the call and how it ended in `wab_calls`.
fn record_call(call: &Call, bridge: Option<BridgeId>, outcome: &str) -> Result<(), Raise> {
    if !is_recorded()? {
        return Ok(());
    }
    let args = [
        call.kind.as_str().into(),
        call.customer_ref.as_str().into(),
        bridge.map(BridgeId::get).into(),
        call.began.into(),
        outcome.into(),
    ];
    one("SELECT @extschema@._wab_record_call($1, $2, $3, $4, $5)", &args, |_| Ok(()))
}

/// Records an answer with `record`, which returns its outcome too, and the call. If PostgreSQL cancels that or refuses it, a WARNING
/// says that the provider has carried the call out all the same.
pub fn recorded<T, S: AsRef<str>>(
    call: &Call,
    bridge: Option<BridgeId>,
    record: impl FnOnce() -> Result<(T, S), Raise>,
) -> Result<T, Raise> {
    let of = bridge.map_or(String::new(), |id| format!(" of bridge {id}"));
    let what = format!("{}{of} for tenant {}", call.kind.as_str(), call.customer_ref.as_str());
    PgTryBuilder::new(AssertUnwindSafe(|| {
        let (value, outcome) = record()?;
        record_call(call, bridge, outcome.as_ref())?;
        Ok(value)
    }))
    .catch_others(move |error| {
        Raise::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            "the provider carried out a call that could not be recorded",
        )
        .with_detail(what.clone())
        .with_hint("A refresh tells what the provider has now: SELECT * FROM wab_refresh();")
        .report(PgLogLevel::WARNING);
        error.rethrow()
    })
    .execute()
}

/// The objects of 0.2.0, which work with this library too, have no `wab_calls`.
fn is_recorded() -> Result<bool, Raise> {
    let sql = "SELECT pg_catalog.to_regclass('@extschema@.wab_calls') IS NOT NULL";
    Ok(read_one(sql, &[], |row| row.get(1))?.unwrap_or(false))
}
