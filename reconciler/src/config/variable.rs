//! Reads environment variables.

use std::env::VarError;

use crate::config::error::ConfigError;

/// The variables by which other programs find a proxy for https.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The variable that names a proxy, which `wab` does not use.
pub fn ignored_proxy() -> Option<&'static str> {
    PROXIES.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

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
