//! Tests of what a connection string, a service and the variables come to.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// The connection that these variables describe.
fn connection(variables: &[(&str, &str)]) -> Result<Connection, String> {
    let find =
        |name: &str| Ok(variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    Database { url_env: None, schema: None }.connection_in(&find).map_err(|error| error.to_string())
}

fn url(url: &str) -> Result<Connection, String> {
    connection(&[("DATABASE_URL", url), ("PGPASSFILE", "/nonexistent")])
}

/// `host:port` of each host.
fn places(connection: &Connection) -> String {
    let place = |host: &Host| match &host.address {
        Address::Folder(folder) => format!("{}#{}", folder.display(), host.port),
        Address::Name(name) => format!("{name}:{}", host.port),
    };
    connection.hosts.iter().map(place).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_string_comes_before_the_service_and_the_service_before_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services");
    fs::write(&file, "[app]\nhost=from-service\nport=1\nuser=service\n").unwrap();
    let file = file.display().to_string();
    let variables = [
        ("PGSERVICEFILE", file.as_str()),
        ("PGHOST", "from-variable"),
        ("PGPORT", "2"),
        ("PGUSER", "variable"),
        ("PGDATABASE", "variable"),
    ];
    let found = |more: &[(&str, &str)]| {
        let connection = connection(&[more, &variables].concat()).unwrap();
        format!(
            "{} {} {} {}",
            places(&connection),
            connection.user,
            connection.database,
            connection.origin.unwrap()
        )
    };
    assert_eq!(found(&[]), "from-variable:2 variable variable PGHOST");
    assert_eq!(
        found(&[("DATABASE_URL", " \n")]),
        "from-variable:2 variable variable PGHOST",
        "empty is unset"
    );
    assert_eq!(
        found(&[("PGSERVICE", "app")]),
        format!("from-service:1 service variable service app in {file}")
    );
    let url = ("DATABASE_URL", "postgres://string@h/?service=app");
    assert_eq!(found(&[url]), "h:1 string variable DATABASE_URL");
    let error = connection(&[&[("PGSERVICE", "other")][..], &variables].concat()).unwrap_err();
    assert!(error.contains("the service \"other\" is not defined in"), "{error}");
}

#[test]
fn hosts_and_ports_belong_together() {
    for (text, hosts) in [
        ("postgres:///d", "/var/run/postgresql#5432"),
        ("postgres://h/d", "h:5432"),
        ("postgres://[::1]/d", "::1:5432"),
        ("postgres://a,b:6000/d", "! port (DATABASE_URL)"),
        ("postgres://a:1,b:2/d", "a:1 b:2"),
        ("postgres://a,[::1]/d", "a:5432 ::1:5432"),
        ("host=a,b,/run/pg port=6000", "a:6000 b:6000 /run/pg#6000"),
        ("host=a,b port=1,2,3", "! port (DATABASE_URL) has not as many elements"),
        ("host=h hostaddr=10.0.0.1", "10.0.0.1:5432"),
        ("host=h hostaddr=h", "! hostaddr (DATABASE_URL) is not an IP address"),
        ("host=h port=0", "! port (DATABASE_URL) is not a number from 1 to 65535"),
        ("host=h port=65536", "! port (DATABASE_URL) is not"),
        (
            "host=h hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=system",
            "! hostaddr (DATABASE_URL) does not work",
        ),
    ] {
        let found = match url(text) {
            Ok(connection) => places(&connection),
            Err(error) => format!("! {error}"),
        };
        match text {
            "postgres://a,b:6000/d" => assert_eq!(found, "a:5432 b:6000"),
            _ => assert!(found.starts_with(hosts), "{text}: {found}"),
        }
    }
}

#[test]
fn what_is_not_honoured_is_an_error_that_names_it() {
    for (text, named) in [
        ("sslmode=requir", "sslmode (DATABASE_URL) is not an sslmode"),
        ("sslmode=", "sslmode (DATABASE_URL) is not an sslmode"),
        ("host=/run/pg sslmode=requir", "sslmode (DATABASE_URL) is not an sslmode"),
        ("target_session_attrs=rw", "target_session_attrs (DATABASE_URL) is not a kind of server"),
        ("connect_timeout=soon", "connect_timeout (DATABASE_URL) is not a whole number"),
        ("channel_binding=require", "channel_binding (DATABASE_URL) asks for something"),
        ("gssencmode=require", "gssencmode (DATABASE_URL)"),
        ("sslcrl=revoked.pem", "sslcrl (DATABASE_URL)"),
        ("require_auth=scram-sha-256", "require_auth (DATABASE_URL)"),
        ("load_balance_hosts=random", "load_balance_hosts (DATABASE_URL)"),
        ("ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version (DATABASE_URL)"),
        ("options='-x'", "options (DATABASE_URL) has a switch"),
        (
            "host=h sslrootcert=/nonexistent",
            "the file /nonexistent (sslrootcert (DATABASE_URL)) cannot be read",
        ),
        ("host=h sslcert=/nonexistent", "the file /nonexistent (sslcert (DATABASE_URL)) cannot be read"),
        (
            "host=h sslmode=require sslrootcert=system",
            "sslmode (DATABASE_URL) is too weak for sslrootcert=system",
        ),
    ] {
        let error = url(text).unwrap_err();
        assert!(error.starts_with(named), "{text}: {error}");
    }
    let error = connection(&[("PGSSLMODE", "requir")]).map(|_| ()).unwrap_err();
    assert_eq!(error, "sslmode (PGSSLMODE) is not an sslmode");
    for text in ["client_encoding=LATIN1 gssencmode=disable channel_binding=prefer", "sslsni=1 sslcrl=''"] {
        assert!(url(text).is_ok(), "{text}");
    }
}

#[test]
fn encryption_follows_the_mode_and_the_file_of_authorities() {
    use Attempt::{Plain, Tls, TlsIfOffered, VerifyCa, VerifyFull};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.pem");
    fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
    let root = format!(" sslrootcert={}", file.display());
    for (mode, root, attempts) in [
        ("disable", "", &[Plain][..]),
        ("allow", "", &[Plain, Tls]),
        ("prefer", "", &[TlsIfOffered, Plain]),
        ("require", "", &[Tls]),
        ("disable", &root, &[Plain]),
        ("allow", &root, &[Plain, VerifyCa]),
        ("prefer", &root, &[VerifyCa, Plain]),
        ("require", &root, &[VerifyCa]),
        ("verify-ca", &root, &[VerifyCa]),
        ("verify-full", &root, &[VerifyFull]),
        ("verify-full", " sslrootcert=system", &[VerifyFull]),
    ] {
        let connection = url(&format!("host=h sslmode={mode}{root}")).unwrap();
        assert_eq!(connection.tls.attempts, attempts, "{mode}{root}");
    }
    for mode in ["require", "verify-full"] {
        let connection = url(&format!("host=/run/pg sslmode={mode}")).unwrap();
        assert_eq!(connection.tls.attempts, [Plain], "a socket has no TLS");
    }
}

#[test]
fn a_password_comes_from_the_string_or_the_password_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    fs::write(&file, "a:1:d:u:first\nb:*:*:*:second\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    let passwords = |text: &str| {
        let connection = connection(&[("DATABASE_URL", text), ("PGPASSFILE", &file)]).unwrap();
        assert!(!format!("{connection:?}").contains("first"), "a password is never printed");
        let passwords = connection.hosts.into_iter().map(|host| host.password.map(|password| password.0));
        passwords.map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(passwords("postgres://u@a:1,b:2/d"), "first second");
    assert_eq!(passwords("postgres://u:given@a:1,b:2/d"), "given given");
    assert_eq!(passwords(&format!("host=c user=u passfile={file}")), "");
}

#[test]
fn times_and_settings() {
    let seconds = |text: &str| url(text).unwrap().deadline.map(|deadline| deadline.as_secs());
    assert_eq!(seconds("host=h"), Some(10));
    assert_eq!(seconds("host=h connect_timeout=3"), Some(3));
    assert_eq!(seconds("host=h connect_timeout=0"), None);
    let keepalive = |text: &str| url(text).unwrap().keepalive;
    assert_eq!(keepalive("host=h keepalives_idle=0"), KEEPALIVE);
    assert!(!keepalive("host=h keepalives=0").is_on);
    assert_eq!(keepalive("host=h tcp_user_timeout=1500").user_timeout, Duration::from_millis(1500));
    let options = |text: &str| url(text).unwrap().options;
    assert_eq!(
        options("options='-c geqo=off -cjit=on --statement-timeout=5min -c search_path=a\\\\ b'"),
        [("geqo", "off"), ("jit", "on"), ("statement_timeout", "5min"), ("search_path", "a b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}
