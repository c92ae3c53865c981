//! Records who made a provider call: a line in the server's log before it, and a row of `wab_calls` after the answer.

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

/// Writes the call to the server's log, which keeps it whatever becomes of the transaction.
pub fn announce(kind: CallKind, customer_ref: &CustomerRef) -> Result<Call, Raise> {
    let sql = "SELECT pg_catalog.format('wab: %s calls the provider: %s of tenant %s (application_name: %s)', session_user, $1,
                   pg_catalog.left($2, 200), pg_catalog.current_setting('application_name'))";
    let args = [kind.as_str().into(), customer_ref.as_str().into()];
    server_log::write(&one_unlocked(sql, &args, |row| row.get::<String>(1))?.unwrap_or_default());
    Ok(Call { kind, customer_ref: customer_ref.clone(), began: server::now() })
}

/// Records the call and how it ended in `wab_calls`.
pub fn record_call(call: &Call, bridge: Option<BridgeId>, outcome: &str) -> Result<(), Raise> {
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

/// The objects of 0.2.0, which work with this library too, have no `wab_calls`.
fn is_recorded() -> Result<bool, Raise> {
    let sql = "SELECT pg_catalog.to_regclass('@extschema@.wab_calls') IS NOT NULL";
    Ok(read_one(sql, &[], |row| row.get(1))?.unwrap_or(false))
}
