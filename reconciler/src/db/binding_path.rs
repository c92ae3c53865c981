//! Reads the drift views under the binding's search_path: its expressions may call functions that look names up there.
//! Every name and operator in such a statement must be qualified.

use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::db::names::Names;
use crate::model::Error;

/// A transaction, or a part of the open one, in which the binding's search_path holds. It is for reading: dropping it
/// rolls it back.
pub async fn under_binding_path<'c>(
    conn: &'c mut PgConnection,
    names: &Names,
) -> Result<Transaction<'c, Postgres>, Error> {
    const DOING: &str = "cannot set the search_path of the binding";
    let mut tx = conn.begin().await.map_err(Error::database(DOING))?;
    sqlx::query(
        names.sql("SELECT pg_catalog.set_config('search_path', @extschema@._wab_binding_path(), true)"),
    )
    .execute(&mut *tx)
    .await
    .map_err(Error::database(DOING))?;
    Ok(tx)
}
