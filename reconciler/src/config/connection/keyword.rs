//! The parameters of a connection string that libpq knows, and what `wab` makes of each.

/// A parameter of libpq.
#[derive(Debug)]
pub struct Keyword {
    /// Its name in a connection string.
    pub name: &'static str,
    /// The environment variable that gives it too.
    pub variable: Option<&'static str>,
    /// What `wab` makes of it.
    pub support: Support,
}

/// What `wab` makes of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Support {
    /// It is honoured.
    Honoured,
    /// It can have no effect in `wab`: the reason stands beside the parameter.
    WithoutEffect,
    /// These values ask for what `wab` does anyway. Any other value is an error.
    Only(&'static [&'static str]),
}

use Support::{Honoured, Only, WithoutEffect};

const fn keyword(name: &'static str, variable: &'static str, support: Support) -> Keyword {
    let variable = if variable.is_empty() { None } else { Some(variable) };
    Keyword { name, variable, support }
}

/// All parameters of libpq 18. An empty value asks for the default.
pub const KEYWORDS: [Keyword; 45] = [
    keyword("service", "PGSERVICE", Honoured),
    keyword("user", "PGUSER", Honoured),
    keyword("password", "PGPASSWORD", Honoured),
    keyword("passfile", "PGPASSFILE", Honoured),
    keyword("dbname", "PGDATABASE", Honoured),
    keyword("host", "PGHOST", Honoured),
    keyword("hostaddr", "PGHOSTADDR", Honoured),
    keyword("port", "PGPORT", Honoured),
    keyword("connect_timeout", "PGCONNECT_TIMEOUT", Honoured),
    keyword("options", "PGOPTIONS", Honoured),
    keyword("application_name", "PGAPPNAME", Honoured),
    keyword("fallback_application_name", "", Honoured),
    keyword("keepalives", "", Honoured),
    keyword("keepalives_idle", "", Honoured),
    keyword("keepalives_interval", "", Honoured),
    keyword("keepalives_count", "", Honoured),
    keyword("tcp_user_timeout", "", Honoured),
    keyword("sslmode", "PGSSLMODE", Honoured),
    keyword("sslrootcert", "PGSSLROOTCERT", Honoured),
    keyword("sslcert", "PGSSLCERT", Honoured),
    keyword("sslkey", "PGSSLKEY", Honoured),
    keyword("target_session_attrs", "PGTARGETSESSIONATTRS", Honoured),
    // `wab` prints UTF-8, and the server converts.
    keyword("client_encoding", "PGCLIENTENCODING", WithoutEffect),
    // TLS 1.3 has no compression, and OpenSSL is built without that of TLS 1.2.
    keyword("sslcompression", "PGSSLCOMPRESSION", WithoutEffect),
    // Kerberos is not supported: a server that asks for it gets an error.
    keyword("krbsrvname", "PGKRBSRVNAME", WithoutEffect),
    keyword("gsslib", "PGGSSLIB", WithoutEffect),
    keyword("gssdelegation", "PGGSSDELEGATION", WithoutEffect),
    keyword("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"])),
    keyword("channel_binding", "PGCHANNELBINDING", Only(&["disable", "prefer"])),
    keyword("replication", "", Only(&["false", "off", "no", "0"])),
    keyword("require_auth", "PGREQUIREAUTH", Only(&[])),
    keyword("requirepeer", "PGREQUIREPEER", Only(&[])),
    keyword("load_balance_hosts", "PGLOADBALANCEHOSTS", Only(&["disable"])),
    keyword("sslpassword", "", Only(&[])),
    keyword("sslcrl", "PGSSLCRL", Only(&[])),
    keyword("sslcrldir", "PGSSLCRLDIR", Only(&[])),
    keyword("sslsni", "PGSSLSNI", Only(&["1"])),
    keyword("sslcertmode", "PGSSLCERTMODE", Only(&["allow"])),
    keyword("sslnegotiation", "PGSSLNEGOTIATION", Only(&["postgres"])),
    keyword("sslkeylogfile", "", Only(&[])),
    keyword("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Only(&["TLSv1", "TLSv1.1", "TLSv1.2"])),
    keyword("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Only(&["TLSv1.3"])),
    keyword("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"])),
    keyword("max_protocol_version", "PGMAXPROTOCOLVERSION", Only(&["3.0"])),
    keyword("servicefile", "PGSERVICEFILE", Honoured),
];

/// The parameter of this name.
pub fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Finds the known parameter with the most similar name; `None` if no name is similar.
pub fn like(name: &str) -> Option<&'static str> {
    let likeness = |keyword: &Keyword| strsim::jaro_winkler(keyword.name, name);
    let nearest = KEYWORDS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) > 0.85).then_some(nearest.name)
}
