//! Drift: read, repaired where it is a status, and noted.

use std::collections::HashSet;

use super::{Touched, has, one, one_unlocked, rows, schema};
use crate::error::Raise;
use crate::glimpse::glimpse;

/// One row of `wab_reconcile()`.
pub struct Drift {
    pub kind: Option<String>,
    pub tenant_id: Option<String>,
    pub bridge_id: Option<i64>,
    pub customer_ref: Option<String>,
    pub stored: Option<String>,
    pub observed: Option<String>,
    pub detail: Option<String>,
    /// Whether it is in `wab_drift_episodes`.
    noted: bool,
}

impl Drift {
    /// Whether the tenant row holds another status than was observed.
    pub fn is_status(&self) -> bool {
        self.kind.as_deref() == Some("status_drift")
    }

    /// Whether it is one of these bridges that drifts.
    pub fn is_among(&self, bridges: &HashSet<i64>) -> bool {
        self.bridge_id.is_some_and(|id| bridges.contains(&id))
    }
}

/// All drift, as it was at one moment.
pub struct Standing {
    pub drift: Vec<Drift>,
    /// How many rows of `wab_drift_episodes` last.
    lasting: usize,
}

impl Standing {
    /// Whether drift began or ended since it was last noted, elsewhere than with these bridges.
    pub fn moved_beyond(&self, bridges: &HashSet<i64>) -> bool {
        let noted = self.drift.iter().filter(|row| row.noted).count();
        noted < self.lasting || self.drift.iter().any(|row| !row.noted && !row.is_among(bridges))
    }

    /// The same with these bridges, whose drift is this now.
    pub fn moved_among(&self, bridges: &HashSet<i64>, now: &[Drift]) -> bool {
        let noted = |drift: &[Drift]| drift.iter().filter(|row| row.noted && row.is_among(bridges)).count();
        noted(&self.drift) != noted(now) || now.iter().any(|row| !row.noted)
    }
}

/// All drift as it is now; no lock is kept. `None` where the objects, of 0.1.0, do not tell what is noted.
pub fn standing_drift() -> Result<Option<Standing>, Raise> {
    if !has(DRIFT_ROWS)? {
        return Ok(None);
    }
    glimpse(|| {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {}.wab_drift_episodes e WHERE e.ended_at IS NULL",
            schema()?
        );
        let lasting = one(&sql, &[], |row| row.get::<i64>(1))?.and_then(|lasting| lasting.try_into().ok());
        Ok(Some(Standing { drift: drift(&Touched::Anyone)?, lasting: lasting.unwrap_or(0) }))
    })
}

const DRIFT_ROWS: &str = "wab_drift_rows(bigint[])";

/// The drift of these bridges, or all of it.
pub fn drift(touched: &Touched) -> Result<Vec<Drift>, Raise> {
    let schema = schema()?;
    let from = if has(DRIFT_ROWS)? {
        format!("{schema}.wab_drift_rows($1)")
    } else {
        format!(
            "(SELECT v.kind, v.tenant_id::pg_catalog.text, v.bridge_id, v.customer_ref, v.stored, v.observed, v.detail, true AS noted \
             FROM {schema}.wab_drift v WHERE $1::pg_catalog.int8[] IS NULL)"
        )
    };
    let sql = format!(
        "SELECT d.kind, d.tenant_id, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail, d.noted FROM {from} d"
    );
    rows(&sql, &[touched.bridges().into()], |row| {
        Ok(Drift {
            kind: row.get(1)?,
            tenant_id: row.get(2)?,
            bridge_id: row.get(3)?,
            customer_ref: row.get(4)?,
            stored: row.get(5)?,
            observed: row.get(6)?,
            detail: row.get(7)?,
            noted: row.get(8)?.unwrap_or(false),
        })
    })
}

/// `wab_write_statuses()`: writes the observed status on the tenant rows that drifted, of these bridges or of all.
pub fn write_statuses(touched: &Touched) -> Result<(), Raise> {
    // With its argument: a function without one, made by somebody else, must not be mistaken for it.
    let call = match touched {
        Touched::Bridges(_) => "wab_write_statuses_of($1)",
        Touched::Anyone => "wab_write_statuses(NULL::pg_catalog.text[]) WHERE $1 IS NULL",
    };
    one(&format!("SELECT {}.{call}", schema()?), &[touched.bridges().into()], |_| Ok(()))
}

/// Whether `record_drift()` would find anything to note, as things are now; no lock is kept.
pub fn drift_moved() -> Result<bool, Raise> {
    if !has("wab_drift_moved()")? {
        return Ok(true);
    }
    let sql = format!("SELECT {}.wab_drift_moved()", schema()?);
    one_unlocked(&sql, &[], |row| Ok(row.get(1)?.unwrap_or(true)))
}

/// `wab_record_drift()`: notes and announces what drift began and ended. Objects of 0.1.0 do not have it.
pub fn record_drift(touched: &Touched) -> Result<(), Raise> {
    if has("wab_record_drift(bigint[])")? {
        let sql = format!("SELECT {}.wab_record_drift($1)", schema()?);
        one(&sql, &[touched.bridges().into()], |_| Ok(()))?;
    }
    Ok(())
}
