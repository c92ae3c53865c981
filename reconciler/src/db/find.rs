//! Finds the schema of the `wab_` objects, and the role's search_path.

use sqlx::PgConnection;

use crate::db::names::Names;
use crate::db::rows::from_row;
use crate::db::statement::query_as;
use crate::model::Error;

const DOING: &str = "cannot look for the wab_ objects in the database";

/// The search_path of the role.
#[derive(Clone, Debug)]
pub struct SearchPath {
    /// The setting.
    pub text: String,
    /// The schemas in it that exist.
    pub schemas: Vec<String>,
}

/// A schema with `wab_` objects.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name, unquoted.
    pub schema: String,
    /// Its name, quoted for SQL.
    pub quoted: String,
    /// It is the extension's schema, or on the search_path.
    preferred: bool,
}

from_row!(SearchPath { text, schemas });
from_row!(Found { schema, quoted, preferred });

/// Finds the role's search_path and the schema of the objects, in a transaction.
pub async fn names(tx: &mut PgConnection, schema: Option<&str>) -> Result<Names, Error> {
    let path = search_path(tx).await?;
    let found = installed(tx, &path, schema).await?;
    match (one(&found, schema)?, schema) {
        (Some(found), _) => {
            Ok(Names { schema: found.schema.clone(), quoted: found.quoted.clone(), search_path: path.text })
        }
        (None, Some(schema)) => Err(Error::config(
            format!("database.schema is {schema:?}, but that schema has no wab_ objects"),
            "name the schema of the objects, or remove database.schema from fleet.yaml",
        )),
        (None, None) => Err(Error::config(
            "this database has no wab_ objects yet",
            "install them first: CREATE EXTENSION pg_wabridges; or, where no extension can be installed: wab init --sql-only",
        )),
    }
}

/// The role's search_path: the default of the session, because behind a pooler another application may have set it.
pub async fn search_path(tx: &mut PgConnection) -> Result<SearchPath, Error> {
    sqlx::raw_sql("SET LOCAL search_path TO DEFAULT")
        .execute(&mut *tx)
        .await
        .map_err(Error::database(DOING))?;
    let path = query_as(include_str!("find/search_path.sql"))
        .fetch_one(&mut *tx)
        .await
        .map_err(Error::database(DOING))?;
    let shut = "SET LOCAL search_path = pg_catalog, pg_temp";
    sqlx::raw_sql(shut).execute(tx).await.map_err(Error::database(DOING))?;
    Ok(path)
}

/// The schemas with `wab_` objects: the extension's first, then in the order of the search_path, then the
/// rest.
pub async fn installed(
    tx: &mut PgConnection,
    path: &SearchPath,
    schema: Option<&str>,
) -> Result<Vec<Found>, Error> {
    query_as(include_str!("find/installed.sql"))
        .bind(&path.schemas)
        .bind(schema)
        .fetch_all(tx)
        .await
        .map_err(Error::database(DOING))
}

/// The schema to use. Fails if there are several and none of them is preferred.
pub fn one<'a>(found: &'a [Found], schema: Option<&str>) -> Result<Option<&'a Found>, Error> {
    match (found, schema) {
        ([Found { preferred: false, .. }, _, ..], None) => Err(Error::config(
            format!(
                "several schemas have wab_ objects, and none is on the search_path: {}",
                found.iter().map(|found| found.schema.as_str()).collect::<Vec<_>>().join(", ")
            ),
            "name one in fleet.yaml: database.schema",
        )),
        _ => Ok(found.first()),
    }
}
