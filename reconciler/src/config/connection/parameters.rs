//! Collects the parameters of a connection. As in libpq, the connection string comes first, then the service that it or
//! PGSERVICE names, then the PG* variables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::connection::keyword::{self, KEYWORDS, Support};
use crate::config::connection::service;
use crate::config::connection::text::{self, Pairs, Unreadable};
use crate::config::error::ConfigError;

/// Where a parameter was given, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The connection string in this environment variable.
    Text(String),
    /// A service.
    Service {
        /// Its name.
        name: String,
        /// The file that defines it.
        file: PathBuf,
    },
    /// An environment variable of libpq.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name) => f.write_str(name),
            Self::Service { name, file } => write!(f, "service {name} in {}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// The parameters, each with its origin.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<&'static str, (String, Origin)>);

/// Reads an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Result<Option<String>, ConfigError>;

impl Parameters {
    /// Collects them. `text` is the connection string and the variable that holds it.
    pub fn collect(text: Option<(&str, &str)>, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let mut parameters = Self::default();
        if let Some((name, text)) = text {
            let pairs = text::parse(text).map_err(|Unreadable { what, hint }| {
                ConfigError::unusable(format!("the environment variable {name} {what}"), hint)
            })?;
            parameters.add(pairs, &Origin::Text(name.to_owned()));
        }
        parameters.add_service(environment)?;
        for keyword in KEYWORDS.iter().filter(|keyword| keyword.name != "service") {
            let Some(variable) = keyword.variable else { continue };
            if let Some(value) = environment(variable)? {
                parameters.add(vec![(keyword.name, value)], &Origin::Variable(variable));
            }
        }
        parameters.require_support()?;
        Ok(parameters)
    }

    fn add_service(&mut self, environment: Environment<'_>) -> Result<(), ConfigError> {
        let named = self.get("service").map(str::to_owned);
        let Some(name) = named.or(environment("PGSERVICE")?).filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let file = self.get("servicefile").map(str::to_owned).or(environment("PGSERVICEFILE")?);
        let users_file = file.map(PathBuf::from).or_else(|| in_home(".pg_service.conf"));
        let system = environment("PGSYSCONFDIR")?.map(PathBuf::from);
        let service = service::find(&name, users_file, system)?;
        self.add(service.pairs, &Origin::Service { name, file: service.file });
        Ok(())
    }

    /// Adds what no earlier source gave.
    fn add(&mut self, pairs: Pairs, origin: &Origin) {
        for (name, value) in pairs {
            match self.0.get(name) {
                Some((_, earlier)) if earlier != origin => {}
                _ => drop(self.0.insert(name, (value, origin.clone()))),
            }
        }
    }

    /// Fails if a value asks for something that `wab` would not do.
    fn require_support(&self) -> Result<(), ConfigError> {
        for (name, (value, origin)) in &self.0 {
            let Some(Support::Only(values)) = keyword::find(name).map(|keyword| keyword.support) else {
                continue;
            };
            if value.is_empty() || values.contains(&value.as_str()) {
                continue;
            }
            return Err(ConfigError::unusable(
                format!("{name} ({origin}) asks for something that wab does not support"),
                match values {
                    [] => "remove it".to_owned(),
                    values => format!("remove it, or use {}", values.join(" or ")),
                },
            ));
        }
        Ok(())
    }

    /// The value, which may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    /// The value, unless it is empty.
    pub fn some(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Where the parameter was given.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.0.get(name).map(|(_, origin)| origin)
    }

    /// The parameter and its origin, for messages.
    pub fn named(&self, name: &str) -> String {
        self.origin(name).map_or_else(|| name.to_owned(), |origin| format!("{name} ({origin})"))
    }

    /// The value as a whole number; `None` if it is not given or empty.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        self.some(name)
            .map(|value| {
                value.trim().parse().map_err(|_| {
                    ConfigError::unusable(
                        format!("{} is not a whole number", self.named(name)),
                        "write it like 10",
                    )
                })
            })
            .transpose()
    }
}

/// A file in the user's home directory.
pub fn in_home(file: &str) -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(file))
}
