//! Stores a listing: one row if it equals the stored one, else only the bridges that differ from wab_bridges.

use futures::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgRow;
use wabridges::{Bridge, Comparison, CustomerRef, Difference, Known, Listing, Touched};

use crate::db::evaluation::Evaluation;
use crate::db::rows::from_row;
use crate::db::statement::{query, query_as, query_scalar};
use crate::model::{Error, Reading, ShrinkPolicy};

/// Microseconds from the Unix epoch to PostgreSQL's epoch, 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

const NOT_STORED: &str = "the listing was not stored";

/// The last observation.
#[derive(Debug, Default)]
pub(super) struct Observation {
    /// The listing_sha256 of its listing; empty if there is none.
    pub listing_sha256: String,
    /// Whether wab_bridges still equals that listing.
    pub mirrored: bool,
    /// The bridges of this database in that listing.
    pub bridges: i32,
}

impl Observation {
    /// Whether wab_bridges still holds the listing with this listing_sha256.
    pub fn is_still(&self, listing_sha256: &str) -> bool {
        self.mirrored && self.listing_sha256 == listing_sha256
    }
}

from_row!(Observation { listing_sha256, mirrored, bridges });

impl Evaluation<'_> {
    /// Takes the lock that every writer of wab_bridges takes. It is held until the transaction ends.
    pub(super) async fn lock_observing(&mut self) -> Result<(), Error> {
        query(self.names.sql("SELECT pg_advisory_xact_lock(@extschema@._wab_lock_id('observe'))"))
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database(NOT_STORED))
    }

    /// Stores the listing, and returns the bridges with possibly changed drift. The caller must have called
    /// `lock_observing`.
    pub(super) async fn observe(
        &mut self,
        reading: &Reading,
        shrink: ShrinkPolicy,
    ) -> Result<Touched, Error> {
        if shrink == ShrinkPolicy::FirstRun {
            self.require_first_run().await?;
        }
        if reading.listing.malformed.is_empty() && self.observe_again(reading).await? {
            return Ok(Touched::Bridges(Vec::new()));
        }
        let difference = self.difference(&reading.listing).await?;
        self.store(reading, &difference, shrink).await?;
        Ok(difference.touched())
    }

    /// Stores in one row that the listing equals the previous one; false if it does not.
    async fn observe_again(&mut self, reading: &Reading) -> Result<bool, Error> {
        query(self.names.sql("SELECT FROM @extschema@._wab_observe_again($1, $2, 'wab')"))
            .bind(&reading.listing_sha256)
            .bind(reading.listed_at)
            .fetch_optional(&mut *self.tx)
            .await
            .map(|row| row.is_some())
            .map_err(Error::database(NOT_STORED))
    }

    /// The difference between the listing and `wab_bridges`, computed row by row while the rows arrive.
    async fn difference<'l>(&mut self, listing: &'l Listing) -> Result<Difference<'l>, Error> {
        let mut comparison = Comparison::of(listing);
        let known = query(self.names.sql(
            "SELECT b.bridge_id, b.customer_ref, b.state, b.raw_status, b.created_at, b.status_listed FROM @extschema@.wab_bridges b",
        ));
        let mut rows = known.fetch(&mut *self.tx);
        while let Some(row) = rows.try_next().await.map_err(Error::database(NOT_STORED))? {
            comparison.know(known_bridge(&row).map_err(Error::database(NOT_STORED))?);
        }
        Ok(comparison.end())
    }

    async fn store(
        &mut self,
        reading: &Reading,
        difference: &Difference<'_>,
        shrink: ShrinkPolicy,
    ) -> Result<(), Error> {
        let Listing { bridges, malformed } = &reading.listing;
        let listed = &difference.listed;
        let statuses = bridges.iter().filter(|bridge| bridge.raw_status.is_some()).count();
        let skipped: bool = query_scalar(self.names.sql(
            "SELECT s.skipped FROM @extschema@._wab_store_listing($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'wab', $11, $12) s",
        ))
        .bind(column(listed, |bridge| bridge.id.get()))
        .bind(column(listed, |bridge| bridge.customer_ref.as_ref().map(CustomerRef::as_str)))
        .bind(column(listed, |bridge| bridge.state.as_deref()))
        .bind(column(listed, |bridge| bridge.raw_status.as_deref()))
        .bind(column(listed, |bridge| bridge.created_at))
        .bind(&difference.absent)
        .bind(count(bridges.len()))
        .bind(count(statuses))
        .bind(&reading.listing_sha256)
        .bind(reading.listed_at)
        .bind(count(malformed.len()))
        .bind(shrink != ShrinkPolicy::Refuse)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(|error| Error::database(NOT_STORED)(error).refused_by(&["55000"]))?;
        if skipped { Err(Error::Overtaken) } else { Ok(()) }
    }

    /// The last observation, and whether wab_bridges still equals it.
    pub(super) async fn observation(&mut self) -> Result<Observation, Error> {
        let read = self
            .names
            .sql("SELECT o.listing_sha256, o.mirrored, o.bridges FROM @extschema@._wab_last_observation() o");
        let last: Option<Observation> = query_as(read)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(Error::database("cannot read the observation's listing_sha256"))?;
        Ok(last.unwrap_or_default())
    }

    async fn require_first_run(&mut self) -> Result<(), Error> {
        let known: i64 = query_scalar(self.names.sql("SELECT count(*) FROM @extschema@.wab_bridges"))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database("cannot count the known bridges"))?;
        if known == 0 {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!("--first-run: this is not the first run, {known} bridges are known already"),
            hint: "remove --first-run; if bridges are really gone from the account, use --accept-shrink"
                .to_owned(),
        })
    }
}

/// The columns come in binary form, where a time is a number, so every time that a table can hold is
/// readable.
fn known_bridge(row: &PgRow) -> Result<Known<'_>, sqlx::Error> {
    let created_at: Option<i64> = row.try_get_unchecked(4)?;
    Ok(Known {
        id: row.try_get(0)?,
        customer_ref: row.try_get(1)?,
        state: row.try_get(2)?,
        raw_status: row.try_get(3)?,
        created_at: created_at.map(|at| at.saturating_add(POSTGRES_EPOCH)),
        status_listed: row.try_get(5)?,
    })
}

fn column<'l, T>(bridges: &[&'l Bridge], value: impl Fn(&'l Bridge) -> T) -> Vec<T> {
    bridges.iter().map(|bridge| value(bridge)).collect()
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
