//! Turns errors of sqlx into errors of `wab`.

use sqlx::postgres::PgDatabaseError;

use crate::ground::harmless;
use crate::model::{DatabaseError, Error};

impl Error {
    /// For `map_err`: the database failed during this operation.
    pub fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source: converted(&source) }
    }
}

fn converted(error: &sqlx::Error) -> DatabaseError {
    match error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) {
        Some(error) => said(error),
        None => DatabaseError {
            text: error.to_string(),
            sqlstate: None,
            hint: matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_)).then(|| {
                "the connection was lost: run wab again, and look into the server's log if it is lost again".to_owned()
            }),
            is_lost: !matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }),
        },
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
        _ => None,
    };
    DatabaseError {
        text: format!("{} (SQLSTATE {code}){detail}", harmless(error.message())),
        sqlstate: Some(code.to_owned()),
        hint: error.hint().or(advice).map(str::to_owned),
        is_lost: code.starts_with("08") || code.starts_with("57P0"),
    }
}
