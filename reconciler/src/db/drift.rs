//! Reads the rows of wab_drift.

use sqlx::Row;
use wabridges::BridgeId;

use crate::db::evaluation::Evaluation;
use crate::db::statement::query;
use crate::model::{DatabaseError, Drift, Error};

const DOING: &str = "cannot read the drift";

/// An error about data comes from an expression of the user: the views make none.
fn unreadable(error: sqlx::Error) -> Error {
    match Error::database(DOING)(error) {
        Error::Database { doing, source }
            if source.sqlstate.as_deref().is_some_and(|code| code.starts_with("22")) =>
        {
            let hint = "an expression of the binding, wanted or webhook_url, fails on a row of the tenants table: \
                        SELECT wanted, webhook_url FROM wab_tenant_binding";
            Error::Database { doing, source: DatabaseError { hint: Some(hint.to_owned()), ..source } }
        }
        other => other,
    }
}

/// The drift rows in display order: all rows, or those of these bridges.
pub async fn drift(evaluation: &mut Evaluation<'_>, bridge_ids: Option<&[i64]>) -> Result<Vec<Drift>, Error> {
    let statement = evaluation.sql(include_str!("drift/drift.sql"));
    let mut tx = evaluation.under_binding_path().await?;
    let rows = query(statement).bind(bridge_ids).fetch_all(&mut *tx).await.map_err(unreadable)?;
    tx.rollback().await.map_err(Error::database(DOING))?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(Drift {
            kind: row.try_get::<&str, _>("kind")?.into(),
            severity: row.try_get("severity")?,
            tenant_id: row.try_get("tenant_id")?,
            bridge_id: row.try_get::<Option<i64>, _>("bridge_id")?.and_then(BridgeId::new),
            customer_ref: row.try_get("customer_ref")?,
            stored: row.try_get("stored")?,
            observed: row.try_get("observed")?,
            since: row.try_get("since")?,
            detail: row.try_get::<Option<String>, _>("detail")?.unwrap_or_default(),
            monthly_cost: row.try_get("monthly_cost")?,
            webhook_url: row.try_get("webhook_url")?,
        })
    };
    let mut drift =
        rows.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>().map_err(Error::database(DOING))?;
    drift.sort_by(Drift::order);
    Ok(drift)
}
