//! Turns errors of sqlx into errors of `wab`.

use sqlx::postgres::PgDatabaseError;

use crate::ground::harmless;
use crate::model::{DatabaseError, Error};

impl Error {
    /// For `map_err`: the database failed during this operation.
    pub fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source: DatabaseError::from(&source) }
    }
}

impl From<&sqlx::Error> for DatabaseError {
    fn from(error: &sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) {
            Some(error) => said(error),
            None => Self {
                text: error.to_string(),
                sqlstate: None,
                hint: matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_)).then(|| {
                    "the connection was lost: run wab again, and look into the server's log if it is lost again".to_owned()
                }),
                is_lost: !matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }),
            },
        }
    }
}

/// An error that PostgreSQL returned.
fn said(error: &PgDatabaseError) -> DatabaseError {
    let code = error.code();
    let detail = error.detail().map(|detail| format!("\n  detail: {}", harmless(detail))).unwrap_or_default();
    let advice = match code {
        "42883" | "42P01" | "42703" => Some(
            "the database's wab_ objects are missing or older than this wab: ALTER EXTENSION pg_wabridges UPDATE; \
             SELECT * FROM wab_bind_tenants(); or, without the extension: wab init --sql-only",
        ),
        "42501" => Some("grant the role the missing privilege, or connect as another role"),
        "42P05" | "26000" => Some(
            "another program leaves prepared statements on the server connections of a pooler; wab prepares none with a name. \
             Give that program's pool its own user or pool_mode = session, or connect wab to PostgreSQL directly",
        ),
        "08P01" => Some(
            "a pooler between wab and PostgreSQL refused this. Of a startup parameter: add it to ignore_startup_parameters in \
             pgbouncer.ini. Of a full pool or a timeout: raise default_pool_size or max_client_conn, or wait; or connect to \
             PostgreSQL directly",
        ),
        "53300" => Some(
            "all connections of the server or of the role are taken: end some, raise max_connections or the role's CONNECTION \
             LIMIT, or connect through a pooler. wab apply needs two connections",
        ),
        "57P03" => Some("the server is starting, ending or recovering: run wab again"),
        _ => None,
    };
    DatabaseError {
        text: format!("{} (SQLSTATE {code}){detail}", harmless(error.message())),
        sqlstate: Some(code.to_owned()),
        hint: error.hint().or(advice).map(str::to_owned),
        is_lost: code.starts_with("08") || code.starts_with("57P0"),
    }
}
