//! The connection to the database, and the statements that record the result of a step.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::postgres::types::Oid;
use wabridges::{BridgeId, CustomerRef, Session as Paired};

use crate::config::Database;
use crate::db::copy;
use crate::db::evaluation::Evaluation;
use crate::db::names::Names;
use crate::db::session::{OnLoss, Session};
use crate::db::statement::{query, query_as, query_scalar};
use crate::ground::harmless;
use crate::model::Error;

/// One connection, and the schema of the `wab_` objects.
#[derive(Debug)]
pub struct Store {
    pub(super) session: Session,
    pub(super) names: Names,
    /// Whether this role may write what an evaluation writes; `None` until it is asked.
    may_write: Option<bool>,
}

impl Store {
    /// Connects and finds the schema. Needs a Tokio runtime with I/O and time.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        let mut session = Session::connect(database).await?;
        let names = session.names(database.schema.as_deref()).await?;
        Ok(Self::of(session, names))
    }

    /// The objects that have these names, through this session.
    pub(super) fn of(session: Session, names: Names) -> Self {
        Self { session, names, may_write: None }
    }

    /// Sets what follows if the connection was lost between two transactions.
    pub fn on_loss(&mut self, on_loss: OnLoss) {
        self.session.on_loss(on_loss);
    }

    /// From now on each transaction on another server than the one that started then fails.
    pub fn stay_on(&mut self, server: DateTime<Utc>) {
        self.session.stay_on(server);
    }

    /// Replaces the connection by one to any server that accepts writes.
    pub async fn reconnect(&mut self) -> Result<(), Error> {
        self.session.reconnect().await
    }

    /// Ends the connection without a word.
    pub fn abandon(&mut self) {
        self.session.abandon();
    }

    /// The database, as configured.
    pub fn config(&self) -> &Database {
        self.session.database()
    }

    /// When the server started, by which servers are told apart.
    pub async fn server_since(&mut self) -> Result<DateTime<Utc>, Error> {
        let since = query_scalar("SELECT pg_catalog.pg_postmaster_start_time()");
        let doing = "cannot find out which server this is";
        self.session.run(doing, async |conn| since.fetch_one(conn).await).await
    }

    /// The database's time. All observations use this one clock.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, Error> {
        self.session.now().await
    }

    /// The database by name, oid, server and schema, so that a plan for it is not applied to another one. A pooler or a failover
    /// leads to the same database, and a copy made by pg_dump is another one.
    pub async fn database(&mut self) -> Result<String, Error> {
        const DOING: &str = "cannot find out which database this is";
        let which =
            query_as("SELECT d.datname::text, d.oid FROM pg_database d WHERE d.datname = current_database()");
        let (name, Oid(oid)): (String, Oid) =
            self.session.run(DOING, async |conn| which.fetch_one(conn).await).await?;
        // Some hosts do not let every role read it.
        let server = query_scalar("SELECT c.system_identifier::text FROM pg_control_system() c");
        let server: String = match self.session.run(DOING, async |conn| server.fetch_one(conn).await).await {
            Err(Error::Database { source, .. }) if source.has_code(&["42501", "42883", "0A000"]) => {
                "unknown".to_owned()
            }
            other => other?,
        };
        Ok(format!(
            "{} (oid {oid}, server {server}), schema {}",
            harmless(&name),
            harmless(&self.names.schema)
        ))
    }

    /// Fails on a standby, because even an evaluation that is rolled back writes first.
    pub async fn require_primary(&mut self) -> Result<(), Error> {
        if !self.session.is_standby().await? {
            return Ok(());
        }
        Err(Error::config(
            "this database is a standby, which cannot evaluate a fleet: no call was made",
            "connect to the primary: with several hosts in the URL, target_session_attrs=read-write finds it. On a standby only wab \
             status and wab drift --stored work",
        ))
    }

    /// Opens the transaction of an evaluation; dropping it rolls back. In it PostgreSQL raises an error where
    /// row-level security would leave rows out: a hidden tenant would look like one that is gone.
    pub async fn evaluation(&mut self) -> Result<Evaluation<'_>, Error> {
        let tx = self.session.begin_with("BEGIN; SET LOCAL row_security = off").await?;
        Ok(Evaluation::new(tx, &self.names))
    }

    /// As `evaluation`, for one that is rolled back: if this role may only read, it works on a copy.
    pub async fn dry_evaluation(&mut self) -> Result<Evaluation<'_>, Error> {
        if self.may_write().await? {
            return self.evaluation().await;
        }
        // A role that only reads may have read-only transactions by default, which may not make the copy.
        let tx = self.session.begin_with("BEGIN READ WRITE; SET LOCAL row_security = off").await?;
        Evaluation::in_copy(tx, &self.names).await
    }

    /// Fails if this role runs plans, and may not bind the tenants table. A role that may only read plans for another one.
    pub async fn require_binder(&mut self) -> Result<(), Error> {
        if !self.may_write().await? {
            return Ok(());
        }
        let require = query(self.names.sql("SELECT @extschema@._wab_require_view_owner()"));
        let doing = "cannot bind the tenants table as fleet.yaml declares";
        self.session.run(doing, async |conn| require.execute(conn).await.map(drop)).await
    }

    /// Whether this role may write what an evaluation writes.
    pub async fn may_write(&mut self) -> Result<bool, Error> {
        if let Some(known) = self.may_write {
            return Ok(known);
        }
        let mut tx = self.session.begin().await?;
        let may = copy::may_write(&mut tx, &self.names).await?;
        tx.rollback().await.map_err(Error::database("cannot end a transaction"))?;
        self.may_write = Some(may);
        Ok(may)
    }

    /// Fails if row-level security hides rows from this role.
    pub async fn require_all_rows(&mut self) -> Result<(), Error> {
        let require = query(self.names.sql("SELECT @extschema@._wab_require_all_rows()"));
        let doing = "cannot read the whole fleet";
        self.session.run(doing, async |conn| require.execute(conn).await.map(drop)).await
    }

    /// Records which drift began and which ended, and notifies the listeners.
    pub async fn record_drift(&mut self) -> Result<(), Error> {
        let record = query(self.names.sql("SELECT @extschema@._wab_record_drift()"));
        let doing = "cannot record which drift began and ended";
        self.session.run(doing, async |conn| record.execute(conn).await.map(drop)).await
    }

    /// Writes bridge ids on tenant rows; returns the rows that do not hold them afterwards.
    pub async fn link_bridges(&mut self, bridges: &[(&CustomerRef, BridgeId)]) -> Result<Unwritten, Error> {
        let refs: Vec<&str> = bridges.iter().map(|(customer_ref, _)| customer_ref.as_str()).collect();
        let ids: Vec<i64> = bridges.iter().map(|(_, id)| id.get()).collect();
        let link = "SELECT w.customer_ref, w.reason FROM @extschema@._wab_link_bridges($1, $2) w";
        let link = query_as(self.names.sql(link)).bind(refs).bind(ids);
        let doing = "cannot write bridge ids on the tenant rows";
        self.session.run(doing, async |conn| link.fetch_all(conn).await.map(unwritten)).await
    }

    /// Clears bridge_id and bridge_status on tenant rows that hold a bridge that is gone; returns the rows that still hold
    /// them afterwards.
    pub async fn unlink_bridges(&mut self, customer_refs: &[&CustomerRef]) -> Result<Unwritten, Error> {
        let refs: Vec<&str> = customer_refs.iter().map(|customer_ref| customer_ref.as_str()).collect();
        let unlink = "SELECT u.customer_ref, u.reason FROM @extschema@._wab_unlink_bridges($1) u";
        let unlink = query_as(self.names.sql(unlink)).bind(refs);
        let doing = "cannot clear the bridge ids on the tenant rows";
        self.session.run(doing, async |conn| unlink.fetch_all(conn).await.map(unwritten)).await
    }

    /// Writes observed statuses on tenant rows; returns the rows that do not hold them afterwards.
    pub async fn write_statuses(&mut self, customer_refs: &[&CustomerRef]) -> Result<Unwritten, Error> {
        let refs: Vec<&str> = customer_refs.iter().map(|customer_ref| customer_ref.as_str()).collect();
        let write = "SELECT w.customer_ref, w.reason FROM @extschema@._wab_write_statuses($1) w";
        let write = query_as(self.names.sql(write)).bind(refs);
        let doing = "cannot write statuses on the tenant rows";
        self.session.run(doing, async |conn| write.fetch_all(conn).await.map(unwritten)).await
    }

    /// Records a bridge that the provider created or returned. The webhook_url is recorded only if the bridge
    /// was unknown before: the provider keeps the webhook_url of an existing bridge. Returns why the tenant row does
    /// not hold the bridge_id afterwards, if it does not.
    pub async fn record_provision(&mut self, made: &NewBridge<'_>) -> Result<Option<String>, Error> {
        let record = query_scalar(self.names.sql(include_str!("store/record_provision.sql")))
            .bind(made.customer_ref.as_str())
            .bind(made.bridge_id.get())
            .bind(made.state)
            .bind(made.session.map(|(_, session)| session.raw_status.as_str()))
            .bind(made.webhook_url)
            .bind(made.session.map(|(asked, _)| asked.elapsed().as_secs_f64()));
        let doing = "cannot record the bridge that was provisioned";
        let reason =
            self.session.run(doing, async |conn| record.fetch_one(conn).await.map(safe_reason)).await?;
        if let Some((asked, Paired { phone: Some(phone), jid, name, .. })) = made.session {
            let record = query(self.names.sql(include_str!("store/record_phone.sql")))
                .bind(made.customer_ref.as_str())
                .bind(phone)
                .bind(jid)
                .bind(name)
                .bind(asked.elapsed().as_secs_f64());
            let doing = "cannot record who is paired";
            self.session.run(doing, async |conn| record.execute(conn).await.map(drop)).await?;
        }
        Ok(reason)
    }

    /// Records that the provider deleted a bridge, and clears the row of a tenant that is not wanted and held it. Returns why
    /// the row still holds it, if it does.
    pub async fn record_delete(
        &mut self,
        id: BridgeId,
        customer_ref: &CustomerRef,
    ) -> Result<Option<String>, Error> {
        let record = query_scalar(self.names.sql("SELECT @extschema@._wab_record_delete($1, $2)"))
            .bind(id.get())
            .bind(customer_ref.as_str());
        let doing = "cannot record the bridge that was deleted";
        self.session.run(doing, async |conn| record.fetch_one(conn).await.map(safe_reason)).await
    }
}

fn safe_reason(reason: Option<String>) -> Option<String> {
    reason.map(|reason| harmless(&reason))
}

/// The tenant rows that do not hold what was asked, and why.
pub type Unwritten = BTreeMap<String, String>;

fn unwritten(rows: Vec<(String, String)>) -> Unwritten {
    rows.into_iter().map(|(customer_ref, reason)| (customer_ref, harmless(&reason))).collect()
}

/// A bridge that the provider made or returned.
#[derive(Clone, Copy, Debug)]
pub struct NewBridge<'a> {
    /// Its customer_ref.
    pub customer_ref: &'a CustomerRef,
    /// Its id.
    pub bridge_id: BridgeId,
    /// The state of the container, in the provider's word.
    pub state: Option<&'a str>,
    /// When the session was asked, and its answer, if it answered.
    pub session: Option<(Instant, &'a Paired)>,
    /// The webhook_url that the call sent.
    pub webhook_url: Option<&'a str>,
}
