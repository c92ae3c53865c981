//! Checks whether the preconditions of a step still hold, and whether this role may record it.

use std::time::Duration;

use sqlx::Row;
use wabridges::{BridgeId, Class, CustomerRef};

use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::ground::quoted;
use crate::model::{Error, Precondition, RecentCall};

impl Store {
    /// Fails unless the tenant is still wanted and its row, if it has one, could take the bridge. A bridge is paid for, so
    /// both are tried before the call, in one transaction: it comes before each of thousands of calls.
    pub async fn require_bridgeable(&mut self, customer_ref: &CustomerRef) -> Result<(), Error> {
        let of_tenant = |sql| query(self.names.sql(sql)).bind(customer_ref.as_str());
        let wanted = of_tenant("SELECT @extschema@._wab_wanted_webhook_url($1)");
        let row = of_tenant("SELECT @extschema@._wab_require_row($1)");
        let mut is_wanted = false;
        let doing = "cannot check whether the tenant is still wanted";
        let checked = self.session.run(doing, async |conn| {
            wanted.execute(&mut *conn).await?;
            is_wanted = true;
            row.execute(conn).await.map(drop)
        });
        match checked.await {
            Err(Error::Database { source, .. }) if is_wanted => {
                Err(Error::Database { doing: "no call was made: the bridge could not be recorded", source })
            }
            Err(Error::Database { source, .. }) if source.has_code(&["22023", "55000"]) => {
                Err(Error::Database { doing: "no call was made: this tenant is no longer wanted", source })
            }
            other => other,
        }
    }

    /// Fails if the bridge is needed again, or in use.
    pub async fn require_unneeded(&mut self, id: BridgeId) -> Result<(), Error> {
        const DOING: &str = "cannot check whether the bridge is still unneeded";
        let mut evaluation = self.evaluation().await?;
        let is_unneeded = evaluation.names.sql(include_str!("precondition/is_unneeded.sql"));
        let mut tx = evaluation.under_binding_path().await?;
        let unneeded: bool = query_scalar(is_unneeded)
            .bind(id.get())
            .fetch_one(&mut *tx)
            .await
            .map_err(Error::database(DOING))?;
        tx.rollback().await.map_err(Error::database(DOING))?;
        let uses = evaluation.uses([id].into_iter()).await?;
        evaluation.rollback().await?;
        if let Some(by) = uses.get(&id) {
            return Err(Error::config(
                format!("bridge {id} was not deleted: {by}"),
                "look at the current plan: wab plan",
            ));
        }
        if unneeded {
            return Ok(());
        }
        Err(Error::config(
            format!("bridge {id} was not deleted: it is needed again"),
            "look at the current plan: wab plan",
        ))
    }

    /// Calls that earlier runs made within `window`: they count towards the provider's limits.
    pub async fn recent_calls(&mut self, window: Duration) -> Result<Vec<RecentCall>, Error> {
        // 5 % and one second more than the window: the client's throttle adds a margin below 5 %.
        let recent = query_as(self.names.sql(include_str!("precondition/recent_calls.sql")))
            .bind(window.as_secs_f64() * 1.05 + 1.0);
        let made: Vec<(String, f64)> =
            self.session.run("cannot read the run log", async |conn| recent.fetch_all(conn).await).await?;
        Ok(made.iter().flat_map(|(kind, ago)| calls_of(kind, *ago)).collect())
    }
}

/// A provision is a call and a read of the session; a deletion is a read and a call.
fn calls_of(kind: &str, seconds_ago: f64) -> impl Iterator<Item = RecentCall> {
    let ago = Duration::try_from_secs_f64(seconds_ago).unwrap_or_default();
    let classes: &[Class] = match kind {
        "provision" => &[Class::Provision, Class::Proxy],
        "pair" => &[Class::Proxy],
        _ => &[Class::Other, Class::Other],
    };
    classes.iter().map(move |class| RecentCall { class: *class, ago })
}

impl Evaluation<'_> {
    /// The current state of these customer_refs in wab_fleet.
    pub async fn preconditions(
        &mut self,
        customer_refs: &[&CustomerRef],
    ) -> Result<Vec<Precondition>, Error> {
        const DOING: &str = "cannot check the preconditions of the saved plan's steps";
        let statement = self.sql(include_str!("precondition/preconditions.sql"));
        let mut tx = self.under_binding_path().await?;
        let rows = query(statement)
            .bind(customer_refs.iter().map(|customer_ref| customer_ref.as_str()).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await
            .map_err(Error::database(DOING))?;
        tx.rollback().await.map_err(Error::database(DOING))?;
        let id = |id: Option<i64>| id.and_then(BridgeId::new);
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Precondition {
                customer_ref: CustomerRef::listed(row.try_get::<String, _>("customer_ref")?)
                    .map_err(|error| sqlx::Error::Decode(error.into()))?,
                wanted: row.try_get("wanted")?,
                bridge_id: id(row.try_get("bridge_id")?),
                stored_bridge_id: id(row.try_get("stored_bridge_id")?),
                stored_status: row.try_get("stored_status")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(Error::database(DOING))
    }

    /// Fails if one of these patterns, each after its flag, matches no tenant and no bridge.
    pub async fn require_matches(&mut self, patterns: Vec<(&'static str, String)>) -> Result<(), Error> {
        const DOING: &str = "cannot look up what --target and --exclude name";
        if patterns.is_empty() {
            return Ok(());
        }
        let statement = self.sql(include_str!("precondition/unmatched.sql"));
        let texts: Vec<&str> = patterns.iter().map(|(_, text)| text.as_str()).collect();
        let mut tx = self.under_binding_path().await?;
        let unmatched: Vec<String> =
            query_scalar(statement).bind(texts).fetch_all(&mut *tx).await.map_err(Error::database(DOING))?;
        tx.rollback().await.map_err(Error::database(DOING))?;
        let unmatched = patterns.iter().filter(|(_, text)| unmatched.contains(text));
        let named: Vec<String> = unmatched.map(|(flag, text)| format!("{flag} {}", quoted(text))).collect();
        if named.is_empty() {
            return Ok(());
        }
        Err(Error::config(
            format!("{} matches no tenant and no bridge: nothing was done", named.join(", ")),
            "it must be a customer_ref, that is the tenant's id as text; * matches any text. SELECT customer_ref FROM wab_fleet",
        ))
    }

    /// Fails with the missing grants unless this role may record the steps. Checked beforehand, because a
    /// call cannot be undone.
    pub async fn require_recording(&mut self) -> Result<(), Error> {
        query(self.names.sql("SELECT @extschema@._wab_require_recording()"))
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database("no call was made: this role lacks a privilege to record the run"))
    }

    /// Fails if no tenant row can be written. Checked once before the first bridge is made: the table may refuse every
    /// UPDATE, and then each step would fail by itself.
    pub async fn require_writing(&mut self) -> Result<(), Error> {
        query(self.names.sql("SELECT @extschema@._wab_require_writing()"))
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database("no call was made: no bridge could be recorded on its tenant row"))
    }
}
