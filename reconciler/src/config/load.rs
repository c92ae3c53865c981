//! Reads fleet.yaml, and the API key that it names.

use std::path::Path;

use wabridges::{AlertUrl, ApiKey, WebhookKeys};

use crate::config::error::ConfigError;
use crate::config::fleet::{Fleet, KeySource};
use crate::config::inspect::{Inspection, inspect};
use crate::config::variable::variable;
use crate::ground::file;

impl Fleet {
    /// Reads and checks the file. The error holds all problems.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&text(path)?, path)
    }

    /// Reads and checks a text. Relative file names in it start at the folder of `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        match inspect(text, path) {
            Inspection { fleet: Some(fleet), .. } => {
                Ok(Self { sha256: wabridges::sha256::of(text), ..fleet })
            }
            Inspection { problems, .. } => {
                Err(ConfigError::Problems { file: path.display().to_string(), problems })
            }
        }
    }

    /// Reads the URL of the receiver of alerts.
    pub fn alert_url(&self) -> Result<AlertUrl, ConfigError> {
        let hint = "it holds the URL of an incoming webhook, and nothing else";
        let (text, place) = match &self.alert_url {
            KeySource::Env(name) => (
                variable(name)?.ok_or_else(|| {
                    ConfigError::unusable(
                        format!("no receiver of alerts: the environment variable {name} is not set"),
                        format!("export {name}=https://…, or name a file in alerts.url_file"),
                    )
                })?,
                format!("the environment variable {name}"),
            ),
            KeySource::File(path) => (
                file::read_text(path).map_err(|error| {
                    let what = format!("cannot read alerts.url_file {}: {error}", path.display());
                    ConfigError::unusable(what, hint)
                })?,
                path.display().to_string(),
            ),
        };
        AlertUrl::parse(&text).map_err(|error| {
            ConfigError::unusable(error.to_string(), format!("it is read from {place}; {hint}"))
        })
    }

    /// Reads the API key and compares it with the pinned fingerprint.
    pub fn api_key(&self) -> Result<ApiKey, ConfigError> {
        let (text, place) = match &self.account.api_key {
            KeySource::Env(name) => (
                variable(name)?.ok_or_else(|| {
                    ConfigError::unusable(
                        format!("no API key: the environment variable {name} is not set"),
                        format!("export {name}=sk_…, or name a file in account.api_key_file"),
                    )
                })?,
                format!("the environment variable {name}"),
            ),
            KeySource::File(path) => (
                file::read_text(path).map_err(|error| {
                    let what = format!("cannot read account.api_key_file {}: {error}", path.display());
                    ConfigError::unusable(what, "put the account's key into that file, readable by this user")
                })?,
                path.display().to_string(),
            ),
        };
        let key = ApiKey::new(text).map_err(|error| {
            ConfigError::unusable(error.to_string(), format!("the key is read from {place}"))
        })?;
        let (pinned, actual) = (&self.account.key_fingerprints, key.fingerprint());
        if pinned.is_empty() || pinned.contains(&actual) {
            return Ok(key);
        }
        Err(ConfigError::OtherAccount { pinned: pinned.join(" or "), actual })
    }
}

impl Fleet {
    /// Reads the keys for `{secret}` in a webhook_url; `None` if no file is named.
    pub fn webhook_keys(&self) -> Result<Option<WebhookKeys>, ConfigError> {
        let Some(path) = &self.webhook_secret_file else { return Ok(None) };
        let unusable = |why: String| {
            ConfigError::unusable(
                format!("cannot use bridges.webhook_secret_file {}: {why}", path.display()),
                "put a key into that file, readable by this user alone: openssl rand -hex 32",
            )
        };
        let text = file::read_text(path).map_err(|error| unusable(error.to_string()))?;
        WebhookKeys::new(&text).map(Some).map_err(|error| unusable(error.to_string()))
    }
}

/// The text of the file.
pub fn text(path: &Path) -> Result<String, ConfigError> {
    let bytes = file::read(path).map_err(|error| {
        ConfigError::unusable(
            format!("cannot read {}: {error}", path.display()),
            "name the file with -f FILE, or write one to start from: wab init",
        )
    })?;
    decoded(bytes, path)
}

pub fn decoded(bytes: Vec<u8>, path: &Path) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|error| {
        let readable = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + readable.iter().filter(|byte| **byte == b'\n').count();
        ConfigError::unusable(
            format!("{}:{line}: the text is not UTF-8", path.display()),
            "save the file as UTF-8",
        )
    })
}
