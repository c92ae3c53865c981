//! Builds the HTTP client: TLS, trusted certificates, timeouts and keep-alive.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Proxy, redirect, retry};

use crate::{Config, Error};

const USER_AGENT: &str = concat!("pg_wabridges/", env!("CARGO_PKG_VERSION"));

/// How long an idle connection is kept. Servers close idle connections after 5 s or more; a write on a connection that the
/// server is closing would be ambiguous, so this is shorter.
const IDLE: Duration = Duration::from_secs(4);

/// An HTTP client that verifies certificates, and does not follow redirects, keep cookies or retry. It uses a proxy only if the
/// configuration names one. `is_plain` for http, which needs no certificates.
pub(crate) fn http_client(config: &Config, is_plain: bool) -> Result<reqwest::Client, Error> {
    // It fails if another library of the process has installed a provider already, which works too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let extra_roots = config.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect_timeout(config))
        .pool_idle_timeout(IDLE)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .http1_only();
    let builder = match &config.proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy.as_str()).map_err(unusable)?),
        None => builder,
    };
    // Plain http is for the same machine only, and must work on a machine without installed certificates.
    let builder =
        if is_plain { builder.tls_certs_only(extra_roots) } else { builder.tls_certs_merge(extra_roots) };
    builder.build().map_err(unusable)
}

fn unusable(error: reqwest::Error) -> Error {
    Error::Config {
        what:
            "the HTTPS client cannot be built: check the system's CA certificates, the CA file and the proxy"
                .to_owned(),
        source: Some(error.without_url().into()),
    }
}

/// The connect timeout, at most 90 % of the request timeout. If the request timeout passed first while connecting, a call that
/// was never sent would be reported as ambiguous.
pub(crate) fn connect_timeout(config: &Config) -> Duration {
    config.connect_timeout.min(config.request_timeout.mul_f64(0.9))
}

/// How much of a CA file is read, in bytes. The authorities of a system have some 300 kB.
const LARGEST_CA_FILE: u64 = 16 * 1024 * 1024;

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let config = |what: String, source| Error::Config { what, source };
    // A device such as /dev/zero has no end.
    let read = || {
        let mut pem = Vec::new();
        File::open(path)?.take(LARGEST_CA_FILE).read_to_end(&mut pem)?;
        Ok::<_, std::io::Error>(pem)
    };
    let pem = read().map_err(|error| {
        config(
            format!("the CA file {} cannot be read: check its path and permissions", path.display()),
            Some(error.into()),
        )
    })?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| {
        config(
            format!("the CA file {} is not valid PEM: replace it", path.display()),
            Some(error.without_url().into()),
        )
    })?;
    if found.is_empty() {
        let what = format!("the CA file {} contains no certificate: it must be PEM", path.display());
        return Err(config(what, None));
    }
    Ok(found)
}
