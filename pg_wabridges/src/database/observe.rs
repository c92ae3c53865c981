//! Storing what was observed: of a listing only what differs, which is found here, next to the table.

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use wabridges::{Bridge, Comparison, CustomerRef, Difference, Earlier, Known, Listed, Listing};

use super::{POSTGRES_EPOCH, Row, count, has, one, rows, rows_unlocked, schema, timestamp};
use crate::error::Raise;
use crate::provider::Polled;
use crate::scan;

/// Whether to believe an empty or sharply shrunken listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Believe {
    /// Refuse it.
    Plausible,
    /// The caller said so.
    Anything,
}

/// One row of `wab_refresh()`.
pub struct Observation {
    pub observed_at: Option<TimestampWithTimeZone>,
    pub bridges: Option<i32>,
    pub appeared: i32,
    pub changed: i32,
    pub disappeared: i32,
    pub skipped: bool,
}

impl Observation {
    /// Whether it changed what is stored of the fleet.
    pub fn is_news(&self) -> bool {
        self.appeared + self.changed + self.disappeared > 0
    }
}

/// What a listing was stored as, and what may have another drift for it.
pub struct Stored {
    pub observation: Observation,
    pub touched: Touched,
}

/// Whose drift may be another than before.
pub enum Touched {
    /// That of these bridges alone.
    Bridges(Vec<i64>),
    /// Anyone's: bridges came, went or changed hands.
    Anyone,
}

impl Touched {
    /// The bridges, if it is them alone.
    pub fn bridges(&self) -> Option<&[i64]> {
        match self {
            Self::Bridges(ids) => Some(ids),
            Self::Anyone => None,
        }
    }
}

/// Stores a listing: in one row if nothing was listed or written since an equal one, else what differs.
pub fn observe(
    listed: &Listed,
    listed_at: TimestampWithTimeZone,
    source: &str,
    believe: Believe,
) -> Result<Stored, Raise> {
    if !has(STORE_LISTING)? {
        return observe_as_in_0_1_0(listed.listing()?, listed_at, source, believe);
    }
    if listed.malformed().is_empty() {
        let sql = format!("SELECT * FROM {}.wab_observe_again($1, $2, $3, $4)", schema()?);
        let args = [listed.digest().into(), listed_at.into(), source.into(), listed.answer_digest().into()];
        let again = rows(&sql, &args, observation)?;
        if let Some(observation) = again.into_iter().next() {
            return Ok(Stored { observation, touched: Touched::Bridges(Vec::new()) });
        }
    }
    let listing = listed.listing()?;
    let difference = difference(listing)?;
    let statuses = listing.bridges.iter().filter(|bridge| bridge.raw_status.is_some()).count();
    let mut args = columns(&difference.listed);
    args.extend([
        difference.absent.as_slice().into(),
        count(listing.bridges.len()).into(),
        count(statuses).into(),
        listed.digest().into(),
        listed.answer_digest().into(),
        listed_at.into(),
        source.into(),
        count(listing.malformed.len()).into(),
        (believe == Believe::Anything).into(),
    ]);
    let sql = format!(
        "SELECT * FROM {}.wab_store_listing($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        schema()?
    );
    let observation = one(&sql, &args, observation)?;
    let ids = || difference.listed.iter().map(|bridge| bridge.id.get()).collect();
    let touched = if difference.moved { Touched::Anyone } else { Touched::Bridges(ids()) };
    Ok(Stored { observation, touched })
}

/// What stores a listing of which it is known what differs.
const STORE_LISTING: &str = "wab_store_listing(bigint[],text[],text[],text[],timestamptz[],bigint[],integer,integer,text,text,timestamptz,text,integer,boolean)";

/// What the listing says otherwise than `wab_bridges`, which nobody else writes from here on until the transaction ends.
fn difference(listing: &Listing) -> Result<Difference<'_>, Raise> {
    let schema = schema()?;
    one(&format!("SELECT pg_catalog.pg_advisory_xact_lock({schema}.wab_lock_id('observe'))"), &[], |_| {
        Ok(())
    })?;
    let mut comparison = Comparison::of(listing);
    let sql = format!(
        "SELECT b.bridge_id, b.customer_ref, b.state, b.raw_status, b.created_at FROM {schema}.wab_bridges b"
    );
    scan::each_row(sql, |[id, customer_ref, state, raw_status, created_at]| {
        // SAFETY: the columns have these types, and their values live as long as this call.
        unsafe {
            let text =
                |datum: Option<pg_sys::Datum>| <&str>::from_datum(datum.unwrap_or(0.into()), datum.is_none());
            comparison.know(Known {
                id: id.map_or(0, |id| id.value() as i64),
                customer_ref: text(customer_ref),
                state: text(state),
                raw_status: text(raw_status),
                created_at: created_at.map(|at| (at.value() as i64).saturating_add(POSTGRES_EPOCH)),
            });
        }
    })?;
    Ok(comparison.end())
}

/// The objects of 0.1.0 take the whole listing.
fn observe_as_in_0_1_0(
    listing: &Listing,
    listed_at: TimestampWithTimeZone,
    source: &str,
    believe: Believe,
) -> Result<Stored, Raise> {
    let mut args = columns(&listing.bridges.iter().collect::<Vec<_>>());
    args.extend([
        listed_at.into(),
        source.into(),
        count(listing.malformed.len()).into(),
        (believe == Believe::Anything).into(),
    ]);
    let sql = format!("SELECT * FROM {}.wab_observe($1, $2, $3, $4, $5, $6, $7, $8, $9)", schema()?);
    Ok(Stored { observation: one(&sql, &args, observation)?, touched: Touched::Anyone })
}

/// The columns of these bridges as arrays.
fn columns(bridges: &[&Bridge]) -> Vec<DatumWithOid<'static>> {
    vec![
        bridges.iter().map(|b| b.id.get()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.customer_ref.as_ref().map(CustomerRef::as_str)).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.state.as_deref()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| b.raw_status.as_deref()).collect::<Vec<_>>().into(),
        bridges.iter().map(|b| timestamp(b.created_at)).collect::<Vec<_>>().into(),
    ]
}

fn observation(row: &Row) -> Result<Observation, Raise> {
    Ok(Observation {
        observed_at: row.get(1)?,
        bridges: row.get(2)?,
        appeared: row.get(3)?.unwrap_or(0),
        changed: row.get(4)?.unwrap_or(0),
        disappeared: row.get(5)?.unwrap_or(0),
        skipped: row.get(6)?.unwrap_or(false),
    })
}

/// What of the answer that `wab_bridges` holds, while it does, has to be read again though it comes again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// Nothing.
    Nothing,
    /// Who came without a status.
    Statusless,
}

/// The answer that need not be read again. Objects of 0.1.0 know of none.
pub fn earlier_answer(needed: Needed) -> Result<Option<Earlier>, Raise> {
    if !has(STORE_LISTING)? {
        return Ok(None);
    }
    let sql = format!(
        "SELECT o.answer_digest, o.digest FROM {}.wab_last_observation() o \
         WHERE o.mirrored AND o.answer_digest IS NOT NULL AND (NOT $1 OR o.statuses OPERATOR(pg_catalog.=) o.bridges)",
        schema()?
    );
    let answers = rows_unlocked(&sql, &[(needed == Needed::Statusless).into()], |row| {
        Ok(row.get(1)?.zip(row.get(2)?).map(|(answer_digest, digest)| Earlier { answer_digest, digest }))
    })?;
    Ok(answers.into_iter().next().flatten())
}

/// The last observation if it is younger than this, as a skipped refresh.
pub fn recent_observation(max_age: Option<Interval>) -> Result<Option<Observation>, Raise> {
    let sql = format!("SELECT o.observed_at, o.bridges FROM {}.wab_last_observation($1) o", schema()?);
    let rows = rows_unlocked(&sql, &[max_age.into()], |row| {
        Ok(Observation {
            observed_at: row.get(1)?,
            bridges: row.get(2)?,
            appeared: 0,
            changed: 0,
            disappeared: 0,
            skipped: true,
        })
    })?;
    Ok(rows.into_iter().next())
}

/// `wab_observe_statuses()`: stores polled statuses; returns how many changed.
pub fn observe_statuses(polled: &Polled, asked_at: TimestampWithTimeZone) -> Result<i32, Raise> {
    let ids: Vec<_> = polled.answers.iter().map(|(id, _)| id.get()).collect();
    let statuses: Vec<_> = polled.answers.iter().map(|(_, status)| status.as_deref()).collect();
    let sql = format!("SELECT {}.wab_observe_statuses($1, $2, $3)", schema()?);
    one(&sql, &[ids.into(), statuses.into(), asked_at.into()], |row| Ok(row.get(1)?.unwrap_or(0)))
}
