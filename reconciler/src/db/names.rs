//! What every statement needs to know of the database, and how its text gets the schema's name.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::model::error::Error;

/// What every statement needs to know of the database.
#[derive(Clone, Debug)]
pub struct Names {
    /// The wab_ objects' schema, as it is.
    pub schema: String,
    /// The same, quoted.
    pub quoted: String,
    /// The role's own search_path, in which the user's names and expressions are resolved.
    pub search_path: String,
}

impl Names {
    /// The statement with `@extschema@` replaced. Nothing else is ever put into a statement's text.
    pub fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("@extschema@", &self.quoted))
    }

    /// Whether the objects in the database have this function: they may be older than this wab.
    pub async fn know(&self, conn: &mut PgConnection, function: &str) -> Result<bool, Error> {
        sqlx::query("SELECT pg_catalog.to_regprocedure(pg_catalog.concat($1, '.', $2)) IS NOT NULL")
            .bind(&self.quoted)
            .bind(function)
            .fetch_one(conn)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot look a function of pg_wabridges up"))
    }
}
