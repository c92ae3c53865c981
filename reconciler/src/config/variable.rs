//! Reads environment variables.

use std::env::VarError;

use crate::config::error::ConfigError;

/// The value of an environment variable; `None` if it is not set.
pub fn variable(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(ConfigError::unusable(
            format!("the environment variable {name} is not UTF-8"),
            "set it to a UTF-8 text",
        )),
    }
}
