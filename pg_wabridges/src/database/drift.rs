//! Reads the drift, writes statuses on tenant rows, and records the drift's episodes.

use pgrx::datum::DatumWithOid;
use wabridges::Touched;

use super::statement::{one, read_one, rows};
use crate::error::Raise;
use crate::glimpse::glimpse;

/// One row of `wab_reconcile()`.
pub struct Drift {
    pub kind: String,
    pub tenant_id: Option<String>,
    pub bridge_id: Option<i64>,
    pub customer_ref: Option<String>,
    pub stored: Option<String>,
    pub observed: Option<String>,
    pub detail: Option<String>,
    /// Whether the account pays for a bridge that no tenant needs.
    wasted: bool,
}

impl Drift {
    /// Whether a tenant that is not wanted still holds a bridge that is gone.
    pub fn is_stale(&self) -> bool {
        self.kind == "stale_binding"
    }

    /// Whether the tenant row holds another status than was observed.
    pub fn is_status(&self) -> bool {
        self.kind == "status_drift"
    }
}

/// Bridges, and customer_refs without a bridge.
#[derive(Default)]
pub struct Subjects {
    pub bridges: Vec<i64>,
    pub customer_refs: Vec<String>,
}

impl Subjects {
    /// Whether the drift is that of one of these.
    pub fn have(&self, drift: &Drift) -> bool {
        match drift.bridge_id {
            Some(id) => self.bridges.contains(&id),
            None => drift.customer_ref.as_ref().is_some_and(|name| self.customer_refs.contains(name)),
        }
    }
}

/// The drift of these bridges, or of all; `None` if it cannot be read.
pub fn drift(touched: &Touched) -> Result<Option<Vec<Drift>>, Raise> {
    read("@extschema@._wab_drift_rows($1)", &[touched.bridges().into()])
}

/// The drift of these bridges and customer_refs; `None` if it cannot be read.
pub fn drift_of(subjects: &Subjects) -> Result<Option<Vec<Drift>>, Raise> {
    let args = [subjects.bridges.as_slice().into(), subjects.customer_refs.clone().into()];
    read("@extschema@._wab_drift_rows($1, $2)", &args)
}

fn read(source: &str, args: &[DatumWithOid<'_>]) -> Result<Option<Vec<Drift>>, Raise> {
    let sql = format!(
        "SELECT d.kind, d.tenant_id, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail, d.wasted FROM {source} d"
    );
    let drift = rows(&sql, args, |row| {
        let Some(kind) = row.get(1)? else { return Ok(None) };
        Ok(Some(Drift {
            kind,
            tenant_id: row.get(2)?,
            bridge_id: row.get(3)?,
            customer_ref: row.get(4)?,
            stored: row.get(5)?,
            observed: row.get(6)?,
            detail: row.get(7)?,
            wasted: row.get(8)?.unwrap_or(false),
        }))
    })?;
    Ok(drift.into_iter().collect())
}

/// All drift of the stored rows. It keeps no lock.
pub fn standing_drift() -> Result<Option<Vec<Drift>>, Raise> {
    glimpse(|| drift(&Touched::Anyone))
}

/// Writes the observed status on the tenant rows that drifted, of these bridges or of all. A WARNING names the rows that could
/// not be written.
pub fn write_statuses(touched: &Touched) -> Result<(), Raise> {
    let (call, args) = match touched.bridges() {
        Some(ids) => ("_wab_write_statuses_of($1)", vec![ids.into()]),
        // The argument is explicit, so that PostgreSQL cannot choose a function of this name without parameters.
        None => ("_wab_write_statuses(NULL::pg_catalog.text[])", vec![]),
    };
    // The functions of 0.2.0 return a number, which has no such field.
    let sql = format!(
        "SELECT pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(w), 'customer_ref'), \
                pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(w), 'reason') FROM @extschema@.{call} w"
    );
    let unwritten = rows(&sql, &args, |row| Ok(row.get::<String>(1)?.zip(row.get::<String>(2)?)))?;
    let unwritten: Vec<_> = unwritten.into_iter().flatten().collect();
    if unwritten.is_empty() { Ok(()) } else { warn_unwritten(&unwritten) }
}

/// Clears the rows of tenants that are not wanted and hold a bridge that is gone. A WARNING names the rows that could not be
/// written.
pub fn unlink_bridges() -> Result<(), Raise> {
    let sql = "SELECT u.customer_ref, u.reason FROM @extschema@._wab_unlink_bridges() u";
    let unwritten = rows(sql, &[], |row| {
        Ok((row.get::<String>(1)?.unwrap_or_default(), row.get::<String>(2)?.unwrap_or_default()))
    })?;
    if unwritten.is_empty() { Ok(()) } else { warn_unwritten(&unwritten) }
}

/// Raises a WARNING that names these tenants, and why their rows were not written.
pub(super) fn warn_unwritten(unwritten: &[(String, String)]) -> Result<(), Raise> {
    let (refs, reasons): (Vec<&str>, Vec<&str>) =
        unwritten.iter().map(|(customer_ref, reason)| (customer_ref.as_str(), reason.as_str())).unzip();
    one("SELECT @extschema@._wab_warn_unwritten($1, $2)", &[refs.into(), reasons.into()], |_| Ok(()))
}

/// Of which bridges and customer_refs drift would begin or end if this is all present drift. `None` before ALTER EXTENSION
/// UPDATE from 0.2.0.
pub fn moving(drift: &[Drift]) -> Result<Option<Subjects>, Raise> {
    let sql = "SELECT pg_catalog.to_regprocedure('@extschema@._wab_moving_drift(text[], bigint[], text[])') IS NOT NULL";
    if read_one(sql, &[], |row| row.get(1))? != Some(true) {
        return Ok(None);
    }
    let [kinds, bridges, customer_refs] = columns(drift);
    let sql = "SELECT m.bridge_id, m.customer_ref FROM @extschema@._wab_moving_drift($1, $2, $3) m";
    let mut subjects = Subjects::default();
    let moving =
        rows(sql, &[kinds, bridges, customer_refs], |row| Ok((row.get::<i64>(1)?, row.get::<String>(2)?)))?;
    for (bridge, customer_ref) in moving {
        subjects.bridges.extend(bridge);
        subjects.customer_refs.extend(customer_ref);
    }
    Ok(Some(subjects))
}

/// The kinds, the bridge_ids and the customer_refs of these rows.
fn columns(drift: &[Drift]) -> [DatumWithOid<'static>; 3] {
    [
        drift.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>().into(),
        drift.iter().map(|row| row.bridge_id).collect::<Vec<_>>().into(),
        drift.iter().map(|row| row.customer_ref.as_deref()).collect::<Vec<_>>().into(),
    ]
}

/// Records and announces which drift began and ended; `drift` is all present drift.
pub fn note_drift(drift: &[Drift]) -> Result<(), Raise> {
    let [kinds, bridges, customer_refs] = columns(drift);
    let wasted = drift.iter().map(|row| row.wasted).collect::<Vec<_>>().into();
    let args = [kinds, bridges, customer_refs, wasted];
    one("SELECT @extschema@._wab_note_drift($1, $2, $3, $4)", &args, |_| Ok(()))
}

/// Reads the present drift and does the same. If it cannot be read, a WARNING gives the reason.
pub fn record_drift() -> Result<(), Raise> {
    one("SELECT @extschema@._wab_record_drift()", &[], |_| Ok(()))
}
