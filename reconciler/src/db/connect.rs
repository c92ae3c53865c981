//! Connects to PostgreSQL: tries the hosts one after the other, with TLS as libpq would, until one will do.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSslMode};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Row};

use crate::config::{Address, Attempt, Connection, Database, Host, ServerKind};
use crate::db::keepalive::keep_alive;
use crate::model::{DatabaseError, Error};

/// Connects to the database that fleet.yaml and the environment name.
pub async fn connect(database: &Database) -> Result<PgConnection, Error> {
    let connection = database.connection()?;
    let found = match connection.wanted {
        ServerKind::PreferStandby => match first(&connection, ServerKind::Standby).await {
            Err(_) => first(&connection, ServerKind::Any).await,
            found => found,
        },
        wanted => first(&connection, wanted).await,
    };
    found.map_err(|failure| failure.into_error(&connection))
}

/// As `connect`, but only to a server that accepts writes, also if `target_session_attrs` asks for less, and with a deadline
/// in any case: a host that answers nothing must not keep the next one from being tried.
pub async fn connect_writable(database: &Database) -> Result<PgConnection, Error> {
    let connection = database.connection()?;
    let deadline = Some(connection.finite_deadline());
    let connection = Connection { wanted: ServerKind::ReadWrite, deadline, ..connection };
    first(&connection, connection.wanted).await.map_err(|failures| failures.into_error(&connection))
}

/// Why one host will not do.
#[derive(Debug)]
struct Failure {
    /// The host and port, or the socket.
    place: String,
    kind: FailureKind,
}

#[derive(Debug)]
enum FailureKind {
    /// No connection within this time.
    TooSlow(Duration),
    /// It is not the wanted kind of server.
    OtherKind,
    /// Anything else.
    Sqlx(sqlx::Error),
}

/// The first host that is a server of this kind. As in libpq, a host that cannot be reached, is starting or is of another kind
/// is passed over, and any other error ends the search.
async fn first(connection: &Connection, wanted: ServerKind) -> Result<PgConnection, Failures> {
    let mut failures = Vec::new();
    for host in &connection.hosts {
        let deadline = connection.deadline.unwrap_or(Duration::MAX);
        let kind = match tokio::time::timeout(deadline, to(connection, host, wanted)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(kind)) => kind,
            Err(_) => FailureKind::TooSlow(deadline),
        };
        let is_final = !kind.passes_on();
        failures.push(Failure { place: place(host), kind });
        if is_final {
            break;
        }
    }
    Err(Failures(failures))
}

async fn to(connection: &Connection, host: &Host, wanted: ServerKind) -> Result<PgConnection, FailureKind> {
    let attempts = match host.address {
        Address::Folder(_) => &[Attempt::Plain][..],
        Address::Name(_) => &connection.tls.attempts,
    };
    let mut result = Err(sqlx::Error::PoolClosed);
    for attempt in attempts {
        result = options(connection, host, *attempt).connect().await;
        // libpq too reports the error of the first attempt first.
        match &result {
            Err(error) if is_refused(error) => {}
            _ => break,
        }
    }
    let mut found = result.map_err(FailureKind::Sqlx)?;
    keep_alive(host.port, connection.keepalive);
    if wanted != ServerKind::Any && !is(wanted, &mut found).await.map_err(FailureKind::Sqlx)? {
        let _ = found.close().await;
        return Err(FailureKind::OtherKind);
    }
    Ok(found)
}

/// Whether libpq would try again with TLS, or without it.
fn is_refused(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        // No entry of pg_hba.conf for a connection of this kind.
        other => sqlstate(other).is_some_and(|code| code == "28000"),
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    Some(error.code())
}

/// Whether the server is of this kind.
async fn is(wanted: ServerKind, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let ask =
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')";
    let row = sqlx::raw_sql(ask).fetch_one(connection).await?;
    let is_standby: bool = row.try_get(0)?;
    let is_read_only = is_standby || row.try_get::<String, _>(1)? == "on";
    Ok(match wanted {
        ServerKind::Any | ServerKind::PreferStandby => true,
        ServerKind::ReadWrite => !is_read_only,
        ServerKind::ReadOnly => is_read_only,
        ServerKind::Primary => !is_standby,
        ServerKind::Standby => is_standby,
    })
}

/// The options of sqlx. Each parameter is set, because sqlx would take it from a PG* variable otherwise.
fn options(connection: &Connection, host: &Host, attempt: Attempt) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass();
    let options = match &host.address {
        Address::Folder(folder) => options.host("localhost").socket(folder),
        Address::Name(name) => options.host(name),
    };
    let options = options.port(host.port).username(&connection.user).database(&connection.database);
    let options = options.password(host.password.as_ref().map_or("", |password| &password.0));
    // PgBouncer refuses the parameter, even if it is empty.
    let options = match connection.options.as_slice() {
        [] => options,
        settings => options.options(settings.iter().map(|(name, value)| (name, value))),
    };
    let options = options.ssl_mode(match attempt {
        Attempt::Plain => PgSslMode::Disable,
        Attempt::TlsIfOffered => PgSslMode::Prefer,
        Attempt::Tls => PgSslMode::Require,
        Attempt::VerifyCa => PgSslMode::VerifyCa,
        Attempt::VerifyFull => PgSslMode::VerifyFull,
    });
    let options = match &connection.tls.authorities {
        Some((_, pem)) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
        None => options,
    };
    let options = match &connection.tls.certificate {
        Some((certificate, key)) => options.ssl_client_cert(certificate).ssl_client_key(key),
        None => options,
    };
    // A pooler may refuse extra_float_digits; PostgreSQL's default is as exact since version 12.
    let options = options.extra_float_digits(None).disable_statement_logging();
    options.application_name(connection.application_name.as_deref().unwrap_or("wab"))
}

/// The host and port, or the socket, for messages.
fn place(host: &Host) -> String {
    match &host.address {
        Address::Folder(folder) => format!("{}/.s.PGSQL.{}", folder.display(), host.port),
        Address::Name(name) if name.contains(':') => format!("[{name}]:{}", host.port),
        Address::Name(name) => format!("{name}:{}", host.port),
    }
}

/// Why each host would not do, in the order in which they were tried.
#[derive(Debug)]
struct Failures(Vec<Failure>);

impl FailureKind {
    fn passes_on(&self) -> bool {
        match self {
            Self::TooSlow(_) | Self::OtherKind => true,
            Self::Sqlx(sqlx::Error::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
            // The server is starting, or ending.
            Self::Sqlx(other) => sqlstate(other) == Some("57P03"),
        }
    }

    fn text(&self, wanted: ServerKind) -> String {
        match self {
            Self::TooSlow(deadline) => format!("no connection within {} s", deadline.as_secs()),
            Self::OtherKind => format!("not {}", kind(wanted)),
            Self::Sqlx(sqlx::Error::Io(error)) => error.to_string(),
            Self::Sqlx(other) => other.to_string(),
        }
    }
}

fn kind(wanted: ServerKind) -> &'static str {
    match wanted {
        ServerKind::Any => "a server",
        ServerKind::ReadWrite => "a server that accepts writes",
        ServerKind::ReadOnly => "a server that refuses writes",
        ServerKind::Primary => "a primary",
        ServerKind::Standby | ServerKind::PreferStandby => "a standby",
    }
}

impl Failures {
    fn into_error(mut self, connection: &Connection) -> Error {
        let wanted = connection.wanted;
        let place = |failure: &Failure| format!("{}: {}", failure.place, failure.kind.text(wanted));
        let places = self.0.iter().map(place).collect::<Vec<_>>().join("; ");
        let what = format!("cannot connect to the database at {places}");
        match self.0.pop() {
            Some(Failure { place, kind: FailureKind::Sqlx(error) })
                if error.as_database_error().is_some() =>
            {
                refused(&place, &error, connection)
            }
            Some(Failure { kind, .. }) => Error::config(what, kind.hint(connection)),
            None => Error::config(what, "name a host"),
        }
    }
}

/// The server's own error, with its hint or with what is known of the password.
fn refused(place: &str, error: &sqlx::Error, connection: &Connection) -> Error {
    let source = DatabaseError::from(error);
    let is_login = source.has_code(&["28P01"]);
    let no_password =
        "no password is given: write it into the URL, PGPASSWORD or a password file (PGPASSFILE, ~/.pgpass)";
    let hint = match &connection.ignored {
        Some(ignored) if is_login => Some(ignored.clone()),
        None if is_login && connection.hosts.iter().all(|host| host.password.is_none()) => {
            Some(no_password.to_owned())
        }
        _ => source.hint.clone(),
    };
    let source = DatabaseError { text: format!("{place}: {}", source.text), hint, ..source };
    Error::Database { doing: "cannot connect to the database", source }
}

impl FailureKind {
    /// What to do, with the place of the parameter that decides.
    fn hint(&self, connection: &Connection) -> String {
        let origin = connection.origin.as_deref();
        match self {
            Self::TooSlow(_) => format!(
                "check host and port{}, or allow a longer deadline: connect_timeout in the URL, or PGCONNECT_TIMEOUT",
                within(origin)
            ),
            Self::OtherKind => format!(
                "target_session_attrs asks for {}: add its host{}",
                kind(connection.wanted),
                within(origin)
            ),
            Self::Sqlx(error) if is_refused(error) => match &connection.tls.authorities {
                Some((file, _)) => format!(
                    "the server's certificate is checked with {} (sslrootcert): put the authority that signed it there",
                    file.display()
                ),
                None if connection.tls.attempts.contains(&Attempt::VerifyFull) => {
                    "the server's certificate is checked with the authorities of this machine: name another with sslrootcert=FILE"
                        .to_owned()
                }
                None => format!("check sslmode{}, and ssl in the server's configuration", within(origin)),
            },
            Self::Sqlx(_) => match origin {
                Some(origin) => format!("check host and port in {origin}, and that the server runs and listens there"),
                None => "no host is given: set DATABASE_URL, or PGHOST, PGPORT, PGUSER and PGDATABASE".to_owned(),
            },
        }
    }
}

fn within(origin: Option<&str>) -> String {
    origin.map(|origin| format!(" in {origin}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_host_and_port_or_the_socket() {
        let named = |address, port| place(&Host { address, port, name: String::new(), password: None });
        assert_eq!(named(Address::Name("h".into()), 6432), "h:6432");
        assert_eq!(named(Address::Name("::1".into()), 5432), "[::1]:5432");
        assert_eq!(named(Address::Folder("/run/pg".into()), 5433), "/run/pg/.s.PGSQL.5433");
    }
}
