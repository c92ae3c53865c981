//! Stores who is paired, as sessions told it.

use pgrx::prelude::*;
use wabridges::{CustomerRef, Polled, Session};

use super::statement::{one, read_one};
use crate::error::Raise;
use crate::server;

/// Stores the phones of polled sessions with `_wab_observe_phones()`.
pub fn observe_phones(polled: &Polled, asked_at: TimestampWithTimeZone) -> Result<(), Raise> {
    if !may_call("_wab_observe_phones(bigint[], text[], text[], text[], timestamptz)")? {
        return Ok(());
    }
    let ids: Vec<_> = polled.answers.iter().map(|(id, _)| id.get()).collect();
    let args = [
        ids.into(),
        polled.column(|session| session.phone.as_deref()).into(),
        polled.column(|session| session.jid.as_deref()).into(),
        polled.column(|session| session.name.as_deref()).into(),
        asked_at.into(),
    ];
    let sql = "SELECT pg_catalog.cardinality(@extschema@._wab_observe_phones($1, $2, $3, $4, $5))";
    one(sql, &args, |_| Ok(()))
}

/// Stores the phone of a tenant's session with `_wab_record_phone()`, if the session told one when it was asked, and this
/// transaction and this role may.
pub fn learn_phone(
    customer_ref: &CustomerRef,
    session: &Session,
    asked_at: TimestampWithTimeZone,
) -> Result<(), Raise> {
    let told = session.phone.is_some() && server::may_write();
    if !told || !may_call("_wab_record_phone(text, text, text, text, timestamptz)")? {
        return Ok(());
    }
    let args = [
        customer_ref.as_str().into(),
        session.phone.as_deref().into(),
        session.jid.as_deref().into(),
        session.name.as_deref().into(),
        asked_at.into(),
    ];
    let sql = "SELECT pg_catalog.format('%s', @extschema@._wab_record_phone($1, $2, $3, $4, $5))";
    one(sql, &args, |_| Ok(()))
}

/// Whether this role may call a function that the objects of 0.2.0, which work with this library too, lack.
fn may_call(function: &str) -> Result<bool, Raise> {
    let sql = "SELECT pg_catalog.has_function_privilege(f.oid, 'EXECUTE')
               FROM (SELECT pg_catalog.to_regprocedure('@extschema@.' || $1)::pg_catalog.oid) AS f(oid)";
    Ok(read_one(sql, &[function.into()], |row| row.get(1))?.unwrap_or(false))
}
