//! Finding the schema of the wab_ objects and shutting the search_path; no wab_ object is read here.

use sqlx::{PgConnection, Row};

use super::Names;
use crate::error::Error;

const DOING: &str = "cannot look for the wab_ objects in the database";

/// Remembers the role's search_path, empties the connection's, and finds the schema.
pub async fn names(conn: &mut PgConnection, wished: Option<&str>) -> Result<Names, Error> {
    let path = sqlx::query(
        "SELECT pg_catalog.current_setting('search_path') AS text,
                pg_catalog.current_schemas(false)::pg_catalog.text[] AS schemas,
                pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(Error::database(DOING))?;
    let search_path: String = path.try_get("text").map_err(Error::database(DOING))?;
    let schemas: Vec<String> = path.try_get("schemas").map_err(Error::database(DOING))?;
    // The extension's schema first, then what the search_path sees first, then the rest.
    let rows = sqlx::query(
        "SELECT n.nspname::text AS schema, quote_ident(n.nspname) AS quoted,
                coalesce(n.oid = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pg_wabridges'), false)
                OR n.nspname = ANY ($1) AS preferred
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = 'wab_tenant_binding' AND c.relkind = 'r' AND ($2::text IS NULL OR n.nspname = $2)
         ORDER BY n.oid = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'pg_wabridges') DESC NULLS LAST,
                  array_position($1, n.nspname::text), n.nspname",
    )
    .bind(schemas)
    .bind(wished)
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::database(DOING))?;
    let found = rows
        .iter()
        .map(|row| Ok((row.try_get("schema")?, row.try_get("quoted")?, row.try_get("preferred")?)))
        .collect::<Result<Vec<(String, String, bool)>, sqlx::Error>>()
        .map_err(Error::database(DOING))?;
    match (found.as_slice(), wished) {
        ([], Some(schema)) => Err(Error::config(
            format!("database.schema is {schema:?}, but that schema has no wab_ objects"),
            "name the schema in which they were installed, or leave database.schema out",
        )),
        ([], None) => Err(Error::config(
            "this database has no wab_ objects yet",
            "install them first: CREATE EXTENSION pg_wabridges; or load the files of sql/ where no extension can be",
        )),
        ([(_, _, false), _, ..], None) => Err(Error::config(
            format!(
                "several schemas have wab_ objects, and none is on the search_path: {}",
                found.iter().map(|(schema, ..)| schema.as_str()).collect::<Vec<_>>().join(", ")
            ),
            "name one in fleet.yaml: database.schema",
        )),
        ([(schema, quoted, _), ..], _) => {
            Ok(Names { schema: schema.clone(), quoted: quoted.clone(), search_path })
        }
    }
}
