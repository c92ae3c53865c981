//! How connections are made: TLS, trust, keep-alive; which calls are made over them is not decided here.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, redirect, retry};

use crate::{Config, Error};

const USER_AGENT: &str = concat!("pg_wabridges/", env!("CARGO_PKG_VERSION"));

/// Less than the shortest common idle time of servers (5 s): a write on a connection that the server is just closing
/// would end as ambiguous. Long enough to carry a run of calls over one connection.
const IDLE: Duration = Duration::from_secs(4);

/// A client that verifies certificates, follows no redirect, uses no proxy, keeps no cookie and repeats nothing.
pub(crate) fn http_client(config: &Config) -> Result<reqwest::Client, Error> {
    // Another library of the process may have installed one already, which serves as well.
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
    // Plain http goes to this very machine only, and must work on one that has no certificates installed.
    let builder = if config.api_url.as_str().starts_with("http://") {
        builder.tls_certs_only(extra_roots)
    } else {
        builder.tls_certs_merge(extra_roots)
    };
    builder.build().map_err(|error| Error::Config {
        what: "no HTTPS client can be made: check the system's CA certificates and the CA file".to_owned(),
        source: Some(error.without_url().into()),
    })
}

/// A connect deadline that is not the shorter one would never be the one to pass, and a call that was never sent would
/// look like one that may have been.
pub(crate) fn connect_timeout(config: &Config) -> Duration {
    config.connect_timeout.min(config.request_timeout.mul_f64(0.9))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let config = |what: String, source| Error::Config { what, source };
    let pem = fs::read(path).map_err(|error| {
        config(
            format!("the CA file {} cannot be read: check path and rights", path.display()),
            Some(error.into()),
        )
    })?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| {
        config(format!("the CA file {} is not valid PEM", path.display()), Some(error.without_url().into()))
    })?;
    if found.is_empty() {
        let what = format!("the CA file {} holds no certificate: it must be PEM", path.display());
        return Err(config(what, None));
    }
    Ok(found)
}
