//! How to connect to the database: the connection string, the service file, the password file and the PG* variables, read
//! as libpq reads them. What `wab` cannot honour is an error that names it.

mod hosts;
mod keyword;
mod parameters;
mod passfile;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::connection::parameters::{Environment, Parameters, in_home};
use crate::config::connection::passfile::{Access, PasswordFile};
use crate::config::error::ConfigError;
use crate::config::fleet::Database;
use crate::config::variable::variable;

pub use hosts::{Address, Host};
pub use passfile::Password;
pub use tls::Attempt;
use tls::Tls;

/// The deadline for connecting to one host.
const DEADLINE: Duration = Duration::from_secs(10);

/// How to connect.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Tried in this order.
    pub hosts: Vec<Host>,
    /// Where the hosts were given; `None`: nowhere.
    pub origin: Option<String>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The encryption, by TCP.
    pub tls: Tls,
    /// Which servers will do.
    pub wanted: ServerKind,
    /// The deadline for each host.
    pub deadline: Option<Duration>,
    /// The name that the server shows.
    pub application_name: Option<String>,
    /// Settings for the session.
    pub options: Vec<(String, String)>,
    /// How a dead peer is noticed.
    pub keepalive: Keepalive,
    /// Why a password file is not used.
    pub ignored: Option<String>,
}

/// Which servers will do: `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Each.
    Any,
    /// Those that accept writes by default.
    ReadWrite,
    /// Those that do not.
    ReadOnly,
    /// Those that are no standby.
    Primary,
    /// Standbys.
    Standby,
    /// A standby, or any if there is none.
    PreferStandby,
}

/// When a connection without traffic is tested, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether it is tested.
    pub is_on: bool,
    /// After so long without traffic.
    pub idle: Duration,
    /// The time between two tests.
    pub interval: Duration,
    /// The connection is given up after so many tests without an answer.
    pub count: u32,
    /// The connection is given up if sent data is not acknowledged for so long.
    pub user_timeout: Duration,
}

/// A dead peer is noticed after half a minute. libpq leaves that to the system, which takes two hours.
const KEEPALIVE: Keepalive = Keepalive {
    is_on: true,
    idle: Duration::from_secs(15),
    interval: Duration::from_secs(5),
    count: 3,
    user_timeout: Duration::from_secs(30),
};

impl Connection {
    /// The deadline for each host where a wait must end: the default one if there is none.
    pub fn finite_deadline(&self) -> Duration {
        self.deadline.unwrap_or(DEADLINE)
    }
}

impl Database {
    /// How to connect, by the environment and the files of this machine.
    pub fn connection(&self) -> Result<Connection, ConfigError> {
        self.connection_in(&variable)
    }

    fn connection_in(&self, environment: Environment<'_>) -> Result<Connection, ConfigError> {
        let name = self.url_env();
        let text = environment(name)?.filter(|text| !text.trim().is_empty());
        if let (None, Some(_)) = (&text, &self.url_env) {
            return Err(ConfigError::unusable(
                format!("database.url_env names the environment variable {name}, which is not set"),
                format!(
                    "export {name}=postgres://…, or remove database.url_env from fleet.yaml to use PGHOST, PGUSER, PGDATABASE"
                ),
            ));
        }
        let text = text.as_deref().map(|text| (name, text.trim()));
        Connection::of(&Parameters::collect(text, environment)?)
    }
}

impl Connection {
    fn of(parameters: &Parameters) -> Result<Self, ConfigError> {
        let user = parameters.some("user").map(str::to_owned);
        let user = user.or_else(|| whoami::username().ok()).unwrap_or_default();
        let database = parameters.some("dbname").unwrap_or(&user).to_owned();
        let passwords = parameters.some("passfile").map(PathBuf::from).or_else(|| in_home(".pgpass"));
        let passwords = passwords.as_deref().map(PasswordFile::read).unwrap_or_default();
        let mut hosts = hosts::hosts(parameters)?;
        for Host { name, port, password, .. } in &mut hosts {
            let access = Access { host: name, port: *port, database: &database, user: &user };
            let given = parameters.some("password").map(|password| Password(password.to_owned()));
            *password = given.or_else(|| passwords.find(access));
        }
        let names = ["application_name", "fallback_application_name"];
        let is_tcp = hosts.iter().any(|host| matches!(host.address, Address::Name(_)));
        let connection = Self {
            origin: ["hostaddr", "host"]
                .iter()
                .find_map(|name| parameters.origin(name))
                .map(ToString::to_string),
            tls: tls::tls(parameters, is_tcp)?,
            hosts,
            wanted: wanted(parameters)?,
            deadline: deadline(parameters)?,
            application_name: names.iter().find_map(|name| parameters.some(name)).map(str::to_owned),
            options: options(parameters)?,
            keepalive: keepalive(parameters)?,
            ignored: passwords.ignored,
            user,
            database,
        };
        connection.require_checkable_name(parameters)?;
        Ok(connection)
    }

    /// With `hostaddr`, the name in the certificate would have to be that of `host`, but only the address is known later.
    fn require_checkable_name(&self, parameters: &Parameters) -> Result<(), ConfigError> {
        let is_checked = self.tls.attempts.contains(&Attempt::VerifyFull);
        match (parameters.some("hostaddr"), parameters.some("host")) {
            (Some(address), Some(host)) if is_checked && address != host => Err(ConfigError::unusable(
                format!("{} does not work with sslmode=verify-full", parameters.named("hostaddr")),
                "remove hostaddr, so that the name in host is looked up and checked; or use sslmode=verify-ca",
            )),
            _ => Ok(()),
        }
    }
}

fn wanted(parameters: &Parameters) -> Result<ServerKind, ConfigError> {
    Ok(match parameters.get("target_session_attrs") {
        None | Some("any") => ServerKind::Any,
        Some("read-write") => ServerKind::ReadWrite,
        Some("read-only") => ServerKind::ReadOnly,
        Some("primary") => ServerKind::Primary,
        Some("standby") => ServerKind::Standby,
        Some("prefer-standby") => ServerKind::PreferStandby,
        Some(_) => {
            return Err(ConfigError::unusable(
                format!("{} is not a kind of server", parameters.named("target_session_attrs")),
                "use any, read-write, read-only, primary, standby or prefer-standby",
            ));
        }
    })
}

/// 0 or less means no deadline, as in libpq.
fn deadline(parameters: &Parameters) -> Result<Option<Duration>, ConfigError> {
    Ok(match parameters.number::<i32>("connect_timeout")? {
        None => Some(DEADLINE),
        Some(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs),
    })
}

/// A number that is 0 or less means the default.
fn keepalive(parameters: &Parameters) -> Result<Keepalive, ConfigError> {
    let positive =
        |name| Ok(parameters.number::<i64>(name)?.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0));
    let seconds = |name, default| Ok(positive(name)?.map_or(default, Duration::from_secs));
    Ok(Keepalive {
        is_on: parameters.number::<i64>("keepalives")? != Some(0),
        idle: seconds("keepalives_idle", KEEPALIVE.idle)?,
        interval: seconds("keepalives_interval", KEEPALIVE.interval)?,
        count: positive("keepalives_count")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(KEEPALIVE.count),
        user_timeout: positive("tcp_user_timeout")?.map_or(KEEPALIVE.user_timeout, Duration::from_millis),
    })
}

/// `-c name=value`, `-cname=value` and `--name=value`; a backslash escapes a space.
fn options(parameters: &Parameters) -> Result<Vec<(String, String)>, ConfigError> {
    let unsupported = || {
        ConfigError::unusable(
            format!("{} has a switch that wab does not support", parameters.named("options")),
            "write settings only, like -c statement_timeout=5min",
        )
    };
    let mut words = vec![String::new()];
    let mut chars = parameters.some("options").unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (c, _) if c.is_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().ok_or_else(unsupported)?,
            Some(setting) => setting.to_owned(),
            None => return Err(unsupported()),
        };
        let (name, value) = setting.split_once('=').ok_or_else(unsupported)?;
        // As for the server, a dash in a name stands for an underscore.
        options.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(options)
}
