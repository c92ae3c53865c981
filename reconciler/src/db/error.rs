//! Turns errors of sqlx into errors of `wab`.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::ground::harmless;
use crate::model::{DatabaseError, Error};

impl Error {
    /// For `map_err`: the database failed during this operation.
    pub fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source: DatabaseError::from(&source) }
    }

    /// The database did not answer within this time.
    pub fn unanswered(doing: &'static str, deadline: Duration) -> Self {
        Self::lost(doing, format!("no answer within {} s", deadline.as_secs()))
    }

    /// The connection counts as lost.
    pub(super) fn lost(doing: &'static str, text: impl Into<String>) -> Self {
        Self::Database {
            doing,
            source: DatabaseError { text: text.into(), sqlstate: None, hint: None, is_lost: true },
        }
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
    let detail = detail(error).map(|detail| format!("\n  detail: {}", harmless(detail))).unwrap_or_default();
    let advice = match code {
        "42883" | "42P01" | "42703" => Some(
            "the database's wab_ objects are missing or older than this wab: ALTER EXTENSION pg_wabridges UPDATE; \
             SELECT * FROM wab_bind_tenants(); or, without the extension: wab init --sql-only",
        ),
        "42501" => Some(
            "grant the role the missing privilege, or connect as another role: wab plan needs wab_reader, wab apply wab_operator \
             (wab sql roles | psql makes both)",
        ),
        "28000" => Some(
            "the server's pg_hba.conf does not let this role connect in this way: name another role (user in the connection \
             string, or PGUSER), another host, or another sslmode",
        ),
        "28P01" => Some("the password is not that of the role: check both where they are given"),
        "3D000" => Some("create the database, or name another: the path of the URL, dbname or PGDATABASE"),
        "25006" => Some(
            "this server or role accepts no writes: connect to the primary (target_session_attrs=read-write finds it among \
             several hosts), or turn default_transaction_read_only off",
        ),
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
        text: format!("{} (SQLSTATE {code}){detail}", harmless(&without_value(code, error.message()))),
        sqlstate: Some(code.to_owned()),
        hint: match code {
            // PostgreSQL's own hint is about the types of arguments.
            "42883" => advice,
            _ => error.hint().or(advice),
        }
        .map(str::to_owned),
        is_lost: ends_session(error) || is_of_standby(error),
    }
}

/// PostgreSQL ends a session with FATAL. An ERROR with the same code is about a foreign server, as postgres_fdw and dblink raise
/// it. A pooler uses ERROR too, but names no source file.
fn ends_session(error: &PgDatabaseError) -> bool {
    let is_away = error.code().starts_with("08") || error.code().starts_with("57P0");
    match error.severity() {
        PgSeverity::Fatal | PgSeverity::Panic => true,
        _ => is_away && error.file().is_none(),
    }
}

/// After a switchover the old primary follows the new one, and keeps connections. That a foreign server accepts no writes is
/// raised elsewhere.
fn is_of_standby(error: &PgDatabaseError) -> bool {
    error.code() == "25006" && error.file() == Some("utility.c")
}

/// The DETAIL, unless it may hold values of a row: it goes into the logs of CI jobs and into wab_operations. PostgreSQL
/// quotes rows and keys in classes 22 and 23, and a trigger may quote anything.
fn detail(error: &PgDatabaseError) -> Option<&str> {
    let quotes_rows = matches!(&error.code().as_bytes()[..2], b"22" | b"23");
    let is_raised = error.routine() == Some("exec_stmt_raise");
    error.detail().filter(|_| is_raised_by_us(error.r#where()) || !quotes_rows && !is_raised)
}

/// Whether a RAISE in a function of the `wab_` objects made the error: the first line of its context names the function.
fn is_raised_by_us(context: Option<&str>) -> bool {
    let raised = context.and_then(|context| context.lines().next()).filter(|line| line.ends_with(" RAISE"));
    let name = raised.and_then(|line| line.split('(').next()).and_then(|call| call.rsplit([' ', '.']).next());
    name.is_some_and(|name| name.starts_with("_wab_") || name.starts_with("wab_"))
}

/// The message without the value that it quotes: PostgreSQL does so in class 22. In 22021 and 22P05 the quotes hold names of
/// encodings, and the functions of the `wab_` objects raise 22023 about arguments.
fn without_value<'a>(code: &str, message: &'a str) -> Cow<'a, str> {
    let quotes_a_value = code.starts_with("22") && !["22021", "22023", "22P05"].contains(&code);
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if quotes_a_value && first < last => {
            format!("{}…{}", &message[..=first], &message[last..]).into()
        }
        _ => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_functions_may_say_what_is_in_a_row() {
        for (context, ours) in [
            (
                "PL/pgSQL function public._wab_require_row(text) line 6 at RAISE\nSQL statement \"SELECT 1\"",
                true,
            ),
            ("PL/pgSQL function wab_bind_tenants(regclass,text) line 9 at RAISE", true),
            ("PL/pgSQL-Funktion wab._wab_require_row(text) Zeile 6 bei RAISE", true),
            (
                "PL/pgSQL function public.keep() line 1 at RAISE\nPL/pgSQL function _wab_update_rows() line 6 at RAISE",
                false,
            ),
            ("PL/pgSQL function _wab_update_rows(text[]) line 6 at EXECUTE", false),
            ("SQL function \"wab_x\" statement 1", false),
            ("", false),
        ] {
            assert_eq!(is_raised_by_us(Some(context)), ours, "{context}");
        }
        assert!(!is_raised_by_us(None));
    }

    #[test]
    fn a_message_does_not_quote_a_value() {
        for (code, message, shown) in [
            (
                "22P02",
                "invalid input syntax for type integer: \"a\"b\"",
                "invalid input syntax for type integer: \"…\"",
            ),
            (
                "22003",
                "value \"9e99\" is out of range for type integer",
                "value \"…\" is out of range for type integer",
            ),
            ("22012", "division by zero", "division by zero"),
            ("22P02", "one quote \"", "one quote \""),
            ("22P05", "no equivalent in encoding \"LATIN1\"", "no equivalent in encoding \"LATIN1\""),
            ("23514", "violates check constraint \"c\"", "violates check constraint \"c\""),
        ] {
            assert_eq!(without_value(code, message), shown);
        }
    }
}
