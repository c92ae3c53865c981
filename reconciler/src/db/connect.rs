//! Connects to PostgreSQL: the URL or the PG* variables, a deadline, and TLS as in libpq.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use crate::config::{Database, variable};
use crate::model::Error;

/// How a URL of PostgreSQL begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The default deadline for connecting.
const DEADLINE: Duration = Duration::from_secs(10);

/// Connects to the database that fleet.yaml and the environment name.
pub async fn connect(database: &Database) -> Result<PgConnection, Error> {
    let url = url(database)?;
    let deadline = deadline(url.as_deref(), variable("PGCONNECT_TIMEOUT")?.as_deref())?;
    let options = options(url.as_deref(), database.url_env())?;
    // A pooler may refuse extra_float_digits; PostgreSQL's default is as exact since version 12.
    let options = options.application_name("wab").extra_float_digits(None).disable_statement_logging();
    let place = place(&options);
    tokio::time::timeout(deadline.unwrap_or(Duration::MAX), options.connect())
        .await
        .map_err(|_| too_slow(&place, deadline.unwrap_or(Duration::MAX)))?
        .map_err(|error| match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Error::config(
                format!("cannot connect to the database at {place}: {error}"),
                match url {
                    Some(_) => format!("check host, port and sslmode in {}", database.url_env()),
                    None => "set DATABASE_URL, or PGHOST, PGPORT, PGUSER and PGDATABASE".to_owned(),
                },
            ),
            other => Error::database("cannot connect to the database")(other),
        })
}

/// The host and port, or the socket, for messages.
fn place(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    match options.get_socket() {
        Some(folder) => format!("{}/.s.PGSQL.{port}", folder.display()),
        None if host.starts_with('/') => format!("{host}/.s.PGSQL.{port}"),
        None => format!("{host}:{port}"),
    }
}

/// The URL. `None`: use the PG* variables, because fleet.yaml names no variable and DATABASE_URL is not set.
fn url(database: &Database) -> Result<Option<String>, Error> {
    let name = database.url_env();
    match (variable(name)?, &database.url_env) {
        (None, Some(_)) => Err(Error::config(
            format!("database.url_env names the environment variable {name}, which is not set"),
            format!(
                "export {name}=postgres://…, or remove database.url_env from fleet.yaml to use PGHOST, PGUSER, PGDATABASE"
            ),
        )),
        (url, _) => Ok(url),
    }
}

fn options(url: Option<&str>, name: &str) -> Result<PgConnectOptions, Error> {
    if let Some(mode) = variable("PGSSLMODE")?
        && mode.parse::<PgSslMode>().is_err()
    {
        return Err(Error::config(
            format!("the environment variable PGSSLMODE is {mode:?}, which is not an sslmode"),
            "use disable, allow, prefer, require, verify-ca or verify-full",
        ));
    }
    let options = match url {
        // The parser's message may repeat a part of the URL, so it is not shown.
        Some(url) => Some(url)
            .filter(|url| SCHEMES.iter().any(|scheme| url.starts_with(scheme)))
            .and_then(|url| PgConnectOptions::from_str(url).ok())
            .ok_or_else(|| {
                Error::config(
                    format!("the environment variable {name} does not hold a PostgreSQL URL"),
                    "write it like postgres://user:password@host:5432/database",
                )
            })?,
        None => PgConnectOptions::new(),
    };
    // A Unix socket has no TLS; libpq ignores the setting there too.
    let socket = options.get_socket().is_some() || options.get_host().starts_with('/');
    Ok(if socket { options.ssl_mode(PgSslMode::Disable) } else { options })
}

/// `connect_timeout` of the URL, else `PGCONNECT_TIMEOUT`, else the default; 0 or less means no deadline, as
/// in libpq.
fn deadline(url: Option<&str>, variable: Option<&str>) -> Result<Option<Duration>, Error> {
    let parsed = url.and_then(|url| url::Url::parse(url).ok());
    let in_url = parsed.as_ref().and_then(|url| {
        url.query_pairs().find(|(key, _)| key == "connect_timeout").map(|(_, value)| value.into_owned())
    });
    let (text, place) = match (in_url.as_deref(), variable) {
        (Some(text), _) => (text, "connect_timeout in the database's URL"),
        (None, Some(text)) if !text.is_empty() => (text, "the environment variable PGCONNECT_TIMEOUT"),
        (None, _) => return Ok(Some(DEADLINE)),
    };
    match text.trim().parse::<i32>() {
        Ok(seconds) => Ok(u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs)),
        Err(_) => Err(Error::config(
            format!("{place} is not a whole number of seconds"),
            "write it like 10; 0 means no deadline",
        )),
    }
}

fn too_slow(place: &str, deadline: Duration) -> Error {
    Error::config(
        format!("cannot connect to the database at {place}: no connection within {} s", deadline.as_secs()),
        "check host and port, or allow a longer deadline: connect_timeout in the URL, or PGCONNECT_TIMEOUT",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_the_urls_then_the_variables_then_ours() {
        let seconds = |url, variable| deadline(url, variable).unwrap().map(|deadline| deadline.as_secs());
        assert_eq!(seconds(None, None), Some(10));
        assert_eq!(seconds(Some("postgres://h/d"), Some("7")), Some(7));
        assert_eq!(seconds(Some("postgres://h/d?connect_timeout=3"), Some("7")), Some(3));
        assert_eq!(seconds(None, Some("0")), None);
        assert_eq!(seconds(None, Some("")), Some(10));
        assert!(deadline(None, Some("soon")).is_err());
    }

    #[test]
    fn a_socket_has_no_tls() {
        let mode = |url| options(Some(url), "X").unwrap().get_ssl_mode();
        for url in
            ["postgres:///d?host=/run/pg&sslmode=require", "postgres://%2Frun%2Fpg/d?sslmode=verify-full"]
        {
            assert!(matches!(mode(url), PgSslMode::Disable), "{url}");
        }
        assert!(matches!(mode("postgres://h/d?sslmode=require"), PgSslMode::Require));
    }

    #[test]
    fn a_url_is_never_repeated() {
        for url in [
            "postgres://u:secret@h:port/d",
            "jdbc:postgresql://u:secret@h/d",
            "mysql://u:secret@h/d",
            "secret",
        ] {
            let error = options(Some(url), "X").unwrap_err();
            assert!(error.to_string().contains("X does not hold a PostgreSQL URL"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_message_names_host_and_port_or_the_socket() {
        let named = |url| place(&options(Some(url), "X").unwrap());
        assert_eq!(named("postgres://u:secret@h:6432/d"), "h:6432");
        assert_eq!(named("postgres:///d?host=/run/pg&port=5433"), "/run/pg/.s.PGSQL.5433");
    }
}
