//! When a connection to the database is encrypted, and how its certificate is checked: the rules of libpq.

use std::path::{Path, PathBuf};

use crate::config::connection::parameters::{Parameters, in_home};
use crate::config::error::ConfigError;
use crate::ground::file::read_text;

/// One way to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Without TLS.
    Plain,
    /// With TLS if the server has it, without a check of its certificate.
    TlsIfOffered,
    /// With TLS, without a check of the server's certificate.
    Tls,
    /// With TLS and a certificate of a trusted authority.
    VerifyCa,
    /// With TLS and a certificate of a trusted authority for this host.
    VerifyFull,
}

/// The ways to connect by TCP, the first one first, and the files for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The second is tried if the first is refused.
    pub attempts: Vec<Attempt>,
    /// The authorities to trust: the file, and its content. `None`: those of the system.
    pub authorities: Option<(PathBuf, String)>,
    /// Our certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Reads the parameters, and the files that they name if a host is reached by TCP: a Unix socket has no TLS.
pub fn tls(parameters: &Parameters, is_tcp: bool) -> Result<Tls, ConfigError> {
    let mode = parameters.get("sslmode").unwrap_or(match parameters.get("sslrootcert") {
        Some("system") => "verify-full",
        _ => "prefer",
    });
    if !["disable", "allow", "prefer", "require", "verify-ca", "verify-full"].contains(&mode) {
        return Err(ConfigError::unusable(
            format!("{} is not an sslmode", parameters.named("sslmode")),
            "use disable, allow, prefer, require, verify-ca or verify-full",
        ));
    }
    if mode == "disable" || !is_tcp {
        return Ok(Tls { attempts: vec![Attempt::Plain], authorities: None, certificate: None });
    }
    let authorities = authorities(parameters, mode)?;
    // libpq checks the certificate in every mode if there is a file of authorities.
    let checked = match authorities {
        Some(_) => Attempt::VerifyCa,
        None => Attempt::Tls,
    };
    let attempts = match (mode, &authorities) {
        ("allow", _) => vec![Attempt::Plain, checked],
        ("prefer", None) => vec![Attempt::TlsIfOffered, Attempt::Plain],
        ("prefer", Some(_)) => vec![Attempt::VerifyCa, Attempt::Plain],
        ("verify-ca", _) => vec![Attempt::VerifyCa],
        ("verify-full", _) => vec![Attempt::VerifyFull],
        _ => vec![checked],
    };
    Ok(Tls { attempts, authorities, certificate: certificate(parameters)? })
}

/// sslrootcert, else `~/.postgresql/root.crt` if it exists.
fn authorities(parameters: &Parameters, mode: &str) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let verifies = mode.starts_with("verify-");
    let file = match parameters.some("sslrootcert") {
        Some("system") if mode == "verify-full" => return Ok(None),
        Some("system") => {
            return Err(ConfigError::unusable(
                format!("{} is too weak for sslrootcert=system", parameters.named("sslmode")),
                "use sslmode=verify-full: anybody can have a certificate of a public authority, for another host",
            ));
        }
        Some(file) => PathBuf::from(file),
        None => match in_home(".postgresql/root.crt") {
            Some(file) if file.exists() => file,
            _ if !verifies => return Ok(None),
            file => {
                let file = file.unwrap_or_else(|| PathBuf::from("~/.postgresql/root.crt"));
                return Err(ConfigError::unusable(
                    format!(
                        "{} needs the file {}, which does not exist",
                        parameters.named("sslmode"),
                        file.display()
                    ),
                    "name the file with the authority's certificate: sslrootcert=FILE; or trust those of the system: \
                     sslrootcert=system",
                ));
            }
        },
    };
    let hint = "name a PEM file with the certificate of the authority that signed the server's";
    let name = || format!("the file {} ({})", file.display(), parameters.named("sslrootcert"));
    let text = read(&file, name)?;
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(Some((file, text))),
        false => Err(ConfigError::unusable(format!("{} holds no certificate", name()), hint)),
    }
}

/// sslcert and sslkey, else `~/.postgresql/postgresql.crt` and `.key` if they exist.
fn certificate(parameters: &Parameters) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let [certificate, key] =
        [("sslcert", "postgresql.crt"), ("sslkey", "postgresql.key")].map(|(name, file)| {
            let given = parameters.some(name).map(PathBuf::from);
            (given.is_some(), given.or_else(|| in_home(&format!(".postgresql/{file}"))))
        });
    let ((is_given, Some(certificate)), (_, Some(key))) = (certificate, key) else { return Ok(None) };
    if !is_given && !certificate.exists() {
        return Ok(None);
    }
    for (name, file) in [("sslcert", &certificate), ("sslkey", &key)] {
        read(file, || format!("the file {} ({})", file.display(), parameters.named(name)))?;
    }
    Ok(Some((certificate, key)))
}

fn read(file: &Path, name: impl Fn() -> String) -> Result<String, ConfigError> {
    read_text(file).map_err(|error| {
        ConfigError::unusable(format!("{} cannot be read: {error}", name()), "check its path and permissions")
    })
}
