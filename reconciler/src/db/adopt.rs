//! Reads what `wab export` needs: the binding, the declared exceptions, and the bridges with drift.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use sqlx::Row;
use sqlx::postgres::PgRow;
use wabridges::{BridgeId, CustomerRef};

use crate::config::{Extra, Fleet, Keep};
use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as, query_scalar};
use crate::ground::Natural;
use crate::model::{Binding, Error, Found, FoundBridge, Reading, ShrinkPolicy};

/// The binding and the exceptions that the database held before the evaluation changed them.
#[derive(Debug, Default)]
pub struct Known {
    /// The binding of the tenants table.
    pub binding: Option<Binding>,
    /// Bridges declared to be wanted without a tenant row.
    pub extra: Vec<Extra>,
    /// Bridges declared to be kept.
    pub keep: Vec<Keep>,
}

/// The tenants table, with its names quoted for SQL.
#[derive(Clone, Debug)]
pub struct Target {
    /// The schema of the `wab_` objects, quoted.
    pub schema: String,
    /// The binding of the table.
    pub binding: Binding,
    /// Its three columns, quoted: tenant_id, bridge_id, bridge_status.
    pub columns: [String; 3],
}

impl Evaluation<'_> {
    /// Reads the stored binding and exceptions.
    pub async fn known(&mut self) -> Result<Known, Error> {
        const DOING: &str = "cannot read the declared exceptions";
        let binding = self.bound().await?.map(|bound| bound.binding);
        let rows = query(self.names.sql(include_str!("adopt/declared.sql")))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database(DOING))?;
        let mut known = Known { binding, ..Known::default() };
        for row in &rows {
            known.declare(row).map_err(Error::database(DOING))?;
        }
        Ok(known)
    }

    /// Binds, declares and observes inside the transaction, and reads the differences.
    pub async fn found(
        &mut self,
        fleet: &Fleet,
        reading: &Reading,
        shrink: ShrinkPolicy,
    ) -> Result<Found, Error> {
        let has_table = fleet.tenants.is_some() || self.bound().await?.is_some();
        if has_table {
            self.bind(fleet).await?;
        }
        self.declare(fleet).await?;
        self.set(fleet).await?;
        self.lock_observing().await?;
        self.observe(reading, shrink).await?;
        if has_table { self.found_beside_tenants().await } else { self.found_alone().await }
    }

    async fn found_beside_tenants(&mut self) -> Result<Found, Error> {
        const DOING: &str = "cannot read the fleet";
        let statement = self.sql(include_str!("adopt/found_beside_tenants.sql"));
        let mut tx = self.under_binding_path().await?;
        let rows = query(statement).fetch_all(&mut *tx).await.map_err(Error::database(DOING))?;
        tx.rollback().await.map_err(Error::database(DOING))?;
        let (live, price) = self.numbers().await?;
        let bridges = found_bridges(&rows).map_err(Error::database(DOING))?;
        let missing = rows.len() - bridges.len();
        Ok(Found { missing, bridges, monthly_cost: Decimal::from(live) * price })
    }

    /// Reads the bridges when no tenants table is bound: then every bridge is orphaned.
    async fn found_alone(&mut self) -> Result<Found, Error> {
        const DOING: &str = "cannot read the bridges";
        let rows = query(self.names.sql(include_str!("adopt/found_alone.sql")))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database(DOING))?;
        let monthly_cost = query_scalar(self.names.sql(include_str!("adopt/monthly_cost.sql")))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database(DOING))?;
        let bridges = found_bridges(&rows).map_err(Error::database(DOING))?;
        Ok(Found { missing: 0, bridges, monthly_cost })
    }

    /// The table as bound inside the transaction.
    pub async fn target(&mut self) -> Result<Option<Target>, Error> {
        let (oid, binding) = match &self.preview {
            Some(preview) => (preview.oid, preview.binding.clone()),
            None => match self.bound().await? {
                Some(bound) => (bound.oid, bound.binding),
                None => return Ok(None),
            },
        };
        let (table, tenant_id, bridge_id, bridge_status): (String, String, String, String) =
            query_as("SELECT $1::oid::regclass::text, quote_ident($2), quote_ident($3), quote_ident($4)")
                .bind(oid)
                .bind(&binding.tenant_id)
                .bind(&binding.bridge_id)
                .bind(&binding.bridge_status)
                .fetch_one(&mut *self.tx)
                .await
                .map_err(Error::database("cannot quote the tenants table's names"))?;
        Ok(Some(Target {
            schema: self.home.quoted.clone(),
            binding: Binding { table, ..binding },
            columns: [tenant_id, bridge_id, bridge_status],
        }))
    }
}

impl Known {
    fn declare(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let kind: &str = row.try_get("kind")?;
        let reason: String = row.try_get("reason")?;
        let until: Option<NaiveDate> = row.try_get("until")?;
        let customer_ref = customer_ref(row.try_get("customer_ref")?)?;
        if kind == "extra" {
            self.extra.push(Extra { tenant_id: customer_ref, reason });
        } else {
            self.keep.push(Keep { customer_ref, reason, until });
        }
        Ok(())
    }
}

fn customer_ref(text: String) -> Result<CustomerRef, sqlx::Error> {
    CustomerRef::listed(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The rows with a live bridge, sorted by customer_ref.
fn found_bridges(rows: &[PgRow]) -> Result<Vec<FoundBridge>, sqlx::Error> {
    let mut bridges = Vec::new();
    for row in rows {
        let Some(bridge_id) = row.try_get::<Option<i64>, _>("bridge_id")?.and_then(BridgeId::new) else {
            continue;
        };
        let kinds: Vec<String> = row.try_get("drift")?;
        bridges.push(FoundBridge {
            bridge_id,
            customer_ref: row.try_get::<Option<String>, _>("customer_ref")?.map(customer_ref).transpose()?,
            status: row.try_get("status")?,
            kept: row.try_get("kept")?,
            drift: kinds.iter().map(|kind| kind.as_str().into()).collect(),
        });
    }
    fn named(bridge: &FoundBridge) -> Option<Natural<'_>> {
        bridge.customer_ref.as_ref().map(|text| Natural(text.as_str()))
    }
    bridges.sort_by(|a, b| (named(a), a.bridge_id).cmp(&(named(b), b.bridge_id)));
    Ok(bridges)
}
