//! The database: the only module (with its parts) that names a table, a view or a SQL function. It decides nothing.

mod adopt;
mod adoption;
mod bind;
mod connect;
mod evaluate;
mod examine;
mod find;
mod ground;
mod install;
mod journal;
mod poll;
mod status;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use wabridges::{BridgeId, CustomerRef, Earlier};

use crate::error::Error;
use crate::fleet::Database;

pub use adopt::{Known, Target};
pub use adoption::{Bind, script};
pub use evaluate::{Evaluation, Force, Seen};
pub use examine::{Index, Job, Objects, Source, Unfinished, Visit};
pub use install::{Done, Installation, install};
pub use journal::{Ended, Entry, Finish, Journal};
pub use status::{LastRun, Status};

/// One connection, and the schema in which the wab_ objects live.
#[derive(Debug)]
pub struct Store {
    conn: PgConnection,
    names: Names,
}

/// What every statement needs to know of the database.
#[derive(Clone, Debug)]
struct Names {
    /// The wab_ objects' schema, as it is.
    schema: String,
    /// The same, quoted.
    quoted: String,
    /// The role's own search_path, in which the user's names and expressions are resolved.
    search_path: String,
}

impl Names {
    /// The statement with `@extschema@` replaced. Nothing else is ever put into a statement's text.
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("@extschema@", &self.quoted))
    }

    /// Whether the objects in the database have this function: they may be older than this wab.
    async fn know(&self, conn: &mut PgConnection, function: &str) -> Result<bool, Error> {
        sqlx::query("SELECT pg_catalog.to_regprocedure(pg_catalog.concat($1, '.', $2)) IS NOT NULL")
            .bind(&self.quoted)
            .bind(function)
            .fetch_one(conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot look a function of pg_wabridges up"))
    }
}

impl Store {
    /// Connects and finds the schema. Needs a runtime with I/O and time.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        let mut conn = connect::connect(database).await?;
        let names = find::names(&mut conn, database.schema.as_deref()).await?;
        Ok(Self { conn, names })
    }

    /// The database's clock: one clock for all that observe.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        sqlx::query("SELECT pg_catalog.clock_timestamp()")
            .fetch_one(&mut self.conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot read the database's clock"))
    }

    /// The answer to a list that wab_bridges holds, while it does. Objects of 0.1.0 know of none.
    pub async fn earlier_answer(&mut self) -> Result<Option<Earlier>, Error> {
        let row = sqlx::query(self.names.sql(
            "SELECT a.answer_digest, o.digest
             FROM @extschema@.wab_last_observation() o,
                  jsonb_to_record(to_jsonb(o)) AS a(mirrored boolean, answer_digest text)
             WHERE a.mirrored AND a.answer_digest IS NOT NULL",
        ));
        let row = row.fetch_optional(&mut self.conn).await;
        let read = |row: PgRow| {
            Ok(Earlier { answer_digest: row.try_get("answer_digest")?, digest: row.try_get("digest")? })
        };
        row.and_then(|row| row.map(read).transpose())
            .map_err(Error::database("cannot read what the last observation was"))
    }

    /// An error on a standby: even what is rolled back in the end is written first.
    pub async fn require_primary(&mut self) -> Result<(), Error> {
        if !connect::is_standby(&mut self.conn).await? {
            return Ok(());
        }
        Err(Error::config(
            "this database is a standby: nothing can be evaluated here, and nothing was called",
            "connect to the primary; here, wab status and wab drift --stored show what is stored",
        ))
    }

    /// Opens the transaction in which everything is evaluated; dropping it rolls back.
    pub async fn evaluation(&mut self) -> Result<Evaluation<'_>, Error> {
        let tx = self.conn.begin().await.map_err(Error::database("cannot begin a transaction"))?;
        Ok(Evaluation::new(tx, &self.names))
    }

    /// Notes which drift began and ended, and notifies whoever listens; objects of 0.1.0 cannot.
    pub async fn record_drift(&mut self) -> Result<(), Error> {
        if self.names.know(&mut self.conn, "wab_record_drift(bigint[])").await? {
            let record = sqlx::query(self.names.sql("SELECT @extschema@.wab_record_drift()"));
            let recorded = record.execute(&mut self.conn).await;
            recorded.map_err(Error::database("cannot record which drift began and ended"))?;
        }
        Ok(())
    }

    /// Writes bridge ids on tenant rows in one statement; returns how many rows changed.
    pub async fn bind_bridges(&mut self, bridges: &[(&CustomerRef, BridgeId)]) -> Result<i32, Error> {
        let refs: Vec<&str> = bridges.iter().map(|(customer_ref, _)| customer_ref.as_str()).collect();
        let ids: Vec<i64> = bridges.iter().map(|(_, id)| id.get()).collect();
        sqlx::query(self.names.sql("SELECT @extschema@.wab_bind_bridges($1, $2)"))
            .bind(refs)
            .bind(ids)
            .fetch_one(&mut self.conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot write bridge ids on the tenant rows"))
    }

    /// Writes observed statuses on tenant rows in one statement; returns how many rows changed.
    pub async fn write_statuses(&mut self, customer_refs: &[&CustomerRef]) -> Result<i32, Error> {
        let refs: Vec<&str> = customer_refs.iter().map(|customer_ref| customer_ref.as_str()).collect();
        sqlx::query(self.names.sql("SELECT @extschema@.wab_write_statuses($1)"))
            .bind(refs)
            .fetch_one(&mut self.conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot write statuses on the tenant rows"))
    }

    /// Records a bridge that the provider made or returned. The webhook_url is recorded only if the bridge was not
    /// known before: the provider keeps the one that an existing bridge has.
    pub async fn record_provision(&mut self, made: &Made<'_>) -> Result<(), Error> {
        sqlx::query(self.names.sql(
            "SELECT @extschema@.wab_record_provision($1, $2, $3, $4, CASE WHEN NOT EXISTS
                 (SELECT FROM @extschema@.wab_bridges b WHERE b.bridge_id = $2) THEN $5 END)",
        ))
        .bind(made.customer_ref.as_str())
        .bind(made.bridge_id.get())
        .bind(made.state)
        .bind(made.raw_status)
        .bind(made.webhook_url)
        .execute(&mut self.conn)
        .await
        .map(drop)
        .map_err(Error::database("cannot record the bridge that was provisioned"))
    }

    /// Records that the provider deleted a bridge.
    pub async fn record_delete(&mut self, id: BridgeId, customer_ref: &CustomerRef) -> Result<(), Error> {
        sqlx::query(self.names.sql("SELECT @extschema@.wab_record_delete($1, $2)"))
            .bind(id.get())
            .bind(customer_ref.as_str())
            .execute(&mut self.conn)
            .await
            .map(drop)
            .map_err(Error::database("cannot record the bridge that was deleted"))
    }
}

/// A bridge that the provider made or returned.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Whose it is.
    pub customer_ref: &'a CustomerRef,
    /// Its number.
    pub bridge_id: BridgeId,
    /// The container's lifecycle, as the provider words it.
    pub state: Option<&'a str>,
    /// The session's status, as the provider words it, if it was learnt.
    pub raw_status: Option<&'a str>,
    /// The webhook_url that was sent.
    pub webhook_url: Option<&'a str>,
}
