//! Copies the `wab_` objects into the session's temporary schema, so that a role that may only read evaluates a fleet as any
//! other role does. The evaluation writes the listing into the copy, and the end of the transaction removes it.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::db::names::Names;
use crate::db::statement::query_scalar;
use crate::model::{DatabaseError, Error};

const DOING: &str =
    "cannot copy the wab_ objects into temporary tables, which a role that may not write them needs";

/// Whether this role may write what an evaluation writes.
pub(super) async fn may_write(conn: &mut PgConnection, names: &Names) -> Result<bool, Error> {
    query_scalar(names.sql(include_str!("copy/may_write.sql")))
        .fetch_one(conn)
        .await
        .map_err(Error::database("cannot find out which privileges this role has"))
}

/// Makes the copy; returns where it is. Its tables hold what an evaluation reads.
pub(super) async fn copy(conn: &mut PgConnection, names: &Names) -> Result<Names, Error> {
    // The first temporary object creates the schema. PostgreSQL says of each view that it is temporary.
    let begin = "SET LOCAL client_min_messages = warning; SET LOCAL check_function_bodies = off; \
                 CREATE TEMPORARY TABLE wab_copy ()";
    sqlx::raw_sql(begin).execute(&mut *conn).await.map_err(refused)?;
    let schema: String = query_scalar("SELECT pg_my_temp_schema()::regnamespace::text")
        .fetch_one(&mut *conn)
        .await
        .map_err(Error::database(DOING))?;
    let copied = Names { schema: schema.clone(), quoted: schema, search_path: names.search_path.clone() };
    for script in [install_sql::without_comments(), include_str!("copy/rows.sql").to_owned()] {
        let script = script.replace("@home@", &names.quoted).replace("@extschema@", &copied.quoted);
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *conn).await.map_err(Error::database(DOING))?;
    }
    Ok(copied)
}

/// The role may not create temporary tables in this database.
fn refused(error: sqlx::Error) -> Error {
    match Error::database(DOING)(error) {
        Error::Database { doing, source } if source.sqlstate.as_deref() == Some("42501") => {
            let hint = "GRANT TEMPORARY ON DATABASE … TO this role, or use a role that may write them, such as a member of wab_operator";
            Error::Database { doing, source: DatabaseError { hint: Some(hint.to_owned()), ..source } }
        }
        other => other,
    }
}
