//! The schema of the wab_ objects: by its name, or the first one in which the role may create objects.

use sqlx::{PgConnection, Row};

use crate::db::find::SearchPath;
use crate::db::statement::query;
use crate::model::Error;

const DOING: &str = "cannot look up the schema of the wab_ objects";

/// The schema that holds the objects, or will hold them.
pub struct Place {
    /// Its name.
    pub schema: String,
    /// Its name, quoted for SQL.
    pub quoted: String,
    /// Whether this role may create objects in it.
    pub creatable: bool,
}

impl Place {
    /// The schema of this name.
    pub async fn named(tx: &mut PgConnection, schema: &str) -> Result<Self, Error> {
        // PostgreSQL has the same rule for an extension's schema: the name is also written into quoted texts.
        if schema.contains(['"', '$', '%', '\'', '\\']) {
            return Err(Error::Refused {
                what: format!("the schema name {schema:?} contains one of the characters \" $ % ' \\"),
                hint: "use another schema: wab init --sql-only --schema NAME".to_owned(),
            });
        }
        let row = query(
            "SELECT quote_ident(n.nspname) AS quoted, has_schema_privilege(n.oid, 'CREATE') AS creatable
             FROM pg_namespace n WHERE n.nspname = $1",
        )
        .bind(schema)
        .fetch_optional(&mut *tx)
        .await
        .map_err(Error::database(DOING))?;
        let Some(row) = row else {
            let (role, quoted) = role_and(tx, schema).await?;
            return Err(Error::config(
                format!("this database has no schema {schema}"),
                format!("CREATE SCHEMA {quoted} AUTHORIZATION {role};"),
            ));
        };
        let read = || {
            Ok(Self {
                schema: schema.to_owned(),
                quoted: row.try_get("quoted")?,
                creatable: row.try_get("creatable")?,
            })
        };
        read().map_err(Error::database(DOING))
    }

    /// The first schema of the search_path in which the role may create objects.
    pub async fn first(tx: &mut PgConnection, path: &SearchPath) -> Result<Self, Error> {
        let mut places = Vec::new();
        for schema in &path.schemas {
            let place = Self::named(tx, schema).await?;
            if place.creatable {
                return Ok(place);
            }
            places.push(place);
        }
        let Some(first) = places.into_iter().next() else {
            return Err(Error::config(
                format!("no schema of the search_path exists: {}", path.text),
                "name an existing schema: wab init --sql-only --schema NAME",
            ));
        };
        Err(first.not_creatable(tx).await)
    }

    /// The error that the role may create nothing in it.
    pub async fn not_creatable(&self, tx: &mut PgConnection) -> Error {
        match role_and(tx, &self.schema).await {
            Err(error) => error,
            Ok((role, schema)) => Error::config(
                format!("role {role} may not create anything in schema {schema}"),
                format!(
                    "GRANT CREATE ON SCHEMA {schema} TO {role}; or use a schema of your own: \
                     CREATE SCHEMA wab AUTHORIZATION {role}; wab init --sql-only --schema wab"
                ),
            ),
        }
    }
}

/// The current role and this schema, quoted for SQL.
async fn role_and(tx: &mut PgConnection, schema: &str) -> Result<(String, String), Error> {
    let row = query("SELECT quote_ident(current_user) AS role, quote_ident($1) AS schema")
        .bind(schema)
        .fetch_one(tx)
        .await
        .map_err(Error::database(DOING))?;
    let read = || Ok((row.try_get("role")?, row.try_get("schema")?));
    read().map_err(Error::database(DOING))
}
