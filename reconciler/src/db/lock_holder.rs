//! Finds the session that holds the lock of `wab apply`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::names::Names;
use crate::db::rows::from_row;
use crate::db::statement::query_as;
use crate::model::LockHolder;

/// The session, as far as this role may see it.
struct Found {
    pid: i32,
    server_since: DateTime<Utc>,
    role: String,
    what: Option<String>,
    host: Option<String>,
}

from_row!(Found { pid, server_since, role, what, host });

/// The session that holds the lock of `wab apply`, as far as this role may see it.
pub(super) async fn lock_holder(
    conn: &mut PgConnection,
    names: &Names,
) -> Result<Option<LockHolder>, sqlx::Error> {
    let found: Option<Found> =
        query_as(names.sql(include_str!("lock_holder/lock_holder.sql"))).fetch_optional(conn).await?;
    Ok(found.map(|Found { pid, server_since, role, what, host }| {
        let what = what.filter(|what| !what.is_empty()).unwrap_or_else(|| "another program".to_owned());
        let host = host.map(|host| format!(" from {host}")).unwrap_or_default();
        let text = format!("{what} (server process {pid}, role {role}{host})");
        LockHolder { pid, server_since, text }
    }))
}
