//! Tests that `wab` and psql make the same of a connection string, a service file, a password file and the PG* variables.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;
use e2e::sandbox::Sandbox;

use crate::tls::Certificate;
use crate::world;

/// The password of the role deploy. No output may repeat it, nor may its parts.
const PASSWORD: &str = "s3cr3t:p@s/w%rd";

/// The same, percent-encoded.
const ENCODED: &str = "s3cr3t%3Ap%40s%2Fw%25rd";

/// One way to say where the database is: variables, and the connection string if there is one. {p}, {s}, {e} and {d} stand for the
/// server's port, the folder of its socket, the same percent-encoded, and the folder of the files.
type Case = (&'static [(&'static str, &'static str)], &'static str);

/// psql and `wab` connect as the same role to the same database, with or without TLS, or neither connects.
const SAME: [Case; 86] = [
    // URLs.
    (&[], "postgres://postgres@127.0.0.1:{p}/app"),
    (&[], "postgresql://postgres@127.0.0.1:{p}/app"),
    (&[], "postgres://postgres@127.0.0.1:{p}"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?"),
    (&[], "postgres://postgres@localhost:{p}/app"),
    (&[], "postgres://postgres@[::1]:{p}/app"),
    (&[], "postgres://postgres@[::1/app"),
    (&[], "postgres:///app?host={s}&port={p}&user=postgres"),
    (&[], "postgres://postgres@{e}:{p}/app"),
    (&[], "postgres://postgres@127.0.0.1:0/app"),
    (&[], "postgres://postgres@127.0.0.1:70000/app"),
    (&[], "postgres://postgres@127.0.0.1:port/app"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?pgbouncer=true"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?sslmod=require"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?application_name"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?application_name=a=b"),
    (&[], "postgres://postgres@127.0.0.1:{p}/no%20such%20database"),
    (&[("PGDATABASE", "app")], "postgres://postgres@127.0.0.1:{p}/"),
    // Without a role: the system user's.
    (&[], "postgres://127.0.0.1:{p}/app"),
    (&[], "host=127.0.0.1 port={p} dbname=app"),
    // Keywords and values.
    (&[], "host={s} port={p} user=postgres dbname=app"),
    (&[], "host='{s}' port = {p} user = 'postgres' dbname='app'"),
    (&[], "host={s} port={p} user=postgres dbname='app"),
    (&[], "host={s} port={p} user=postgres dbname=app nonsense=1"),
    // Passwords.
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app"),
    (&[], "postgres://deploy:wrong@127.0.0.1:{p}/app"),
    (&[], "postgres://deploy@127.0.0.1:{p}/app"),
    (&[], "postgres://deploy:s3cr3t:p@s/w%rd@127.0.0.1:{p}/app"),
    (&[], "postgres://deploy:%s3cr3t@127.0.0.1:{p}/app"),
    (&[("PGPASSWORD", PASSWORD)], "postgres://deploy@127.0.0.1:{p}/app"),
    (&[("PGPASSFILE", "{d}/pass")], "postgres://deploy@127.0.0.1:{p}/app"),
    (&[("PGPASSFILE", "{d}/open")], "postgres://deploy@127.0.0.1:{p}/app"),
    (&[("PGPASSFILE", "{d}/none")], "postgres://deploy@127.0.0.1:{p}/app"),
    (&[("PGPASSFILE", "{d}/pass")], "postgres://deploy@localhost:{p}/app"),
    (&[], "postgres://deploy@127.0.0.1:{p}/app?passfile={d}/pass"),
    (&[("HOME", "{d}/home")], "postgres://deploy@127.0.0.1:{p}/app"),
    // TLS: deploy needs it, plain is refused with it, postgres may do both.
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=disable"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=allow"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=prefer"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=require"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?ssl=true"),
    (&[], "postgres://plain@127.0.0.1:{p}/app"),
    (&[], "postgres://plain@127.0.0.1:{p}/app?sslmode=allow"),
    (&[], "postgres://plain@127.0.0.1:{p}/app?sslmode=require"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=requir"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode="),
    (&[("PGSSLMODE", "requir")], "postgres://postgres@127.0.0.1:{p}/app"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=require&sslrootcert={d}/right.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=require&sslrootcert={d}/wrong.pem"),
    (&[("PGSSLROOTCERT", "{d}/wrong.pem")], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=require"),
    (&[("HOME", "{d}/home")], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=require"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=prefer&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?sslmode=prefer&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?sslmode=allow&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=allow&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-ca&sslrootcert={d}/right.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-ca&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-full&sslrootcert={d}/right.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-full&sslrootcert={d}/wrong.pem"),
    (&[], "postgres://deploy:{pw}@localhost:{p}/app?sslmode=verify-full&sslrootcert={d}/right.pem"),
    (&[], "postgres://deploy:{pw}@localhost:{p}/app?sslmode=verify-ca&sslrootcert={d}/right.pem"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-full"),
    (&[], "postgres://deploy:{pw}@127.0.0.1:{p}/app?sslmode=verify-ca"),
    (&[], "host={s} port={p} user=postgres dbname=app sslmode=verify-full"),
    // Several hosts, and the kind of server.
    (&[], "postgres://postgres@127.0.0.1:1,127.0.0.1:{p}/app"),
    (&[], "postgres://postgres@127.0.0.1,localhost:{p}/app?target_session_attrs=read-write"),
    (&[], "host=/nowhere,{s} port={p} user=postgres dbname=app"),
    (&[], "host={s},{s} port=1,2,3 user=postgres dbname=app"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?target_session_attrs=read-only"),
    (&[], "postgres://reader@127.0.0.1:{p}/app?target_session_attrs=read-only"),
    (&[], "postgres://reader@127.0.0.1:{p}/app?target_session_attrs=read-write"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?target_session_attrs=standby"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?target_session_attrs=prefer-standby"),
    (&[], "postgres://postgres@127.0.0.1:{p}/app?target_session_attrs=rw"),
    (&[], "host=db.invalid hostaddr=127.0.0.1 port={p} user=postgres dbname=app"),
    // A password file knows the name, not the address.
    (&[("PGPASSFILE", "{d}/pass")], "host=db.invalid hostaddr=127.0.0.1 port={p} user=deploy dbname=app"),
    (&[("PGPASSFILE", "{d}/pass")], "host=other.invalid hostaddr=127.0.0.1 port={p} user=deploy dbname=app"),
    // Services and variables.
    (&[("PGSERVICEFILE", "{d}/services"), ("PGSERVICE", "app")], ""),
    (&[("PGSERVICEFILE", "{d}/services")], "postgres:///?service=app&user=reader"),
    (&[("PGSERVICEFILE", "{d}/services"), ("PGSERVICE", "other")], ""),
    (&[("PGSERVICEFILE", "{d}/services"), ("PGSERVICE", "broken")], ""),
    (&[("PGSERVICEFILE", "{d}/services"), ("PGSERVICE", "nested")], ""),
    (&[("HOME", "{d}/home"), ("PGSERVICE", "app"), ("PGPORT", "1")], ""),
    (&[("PGHOST", "127.0.0.1"), ("PGPORT", "{p}"), ("PGUSER", "postgres"), ("PGDATABASE", "app")], ""),
    (&[("PGHOST", "{s}"), ("PGPORT", "x"), ("PGUSER", "postgres"), ("PGDATABASE", "app")], ""),
    (&[], "host={s} port={p} user=postgres dbname=app connect_timeout=soon"),
];

/// What `wab` refuses though psql connects, because it would not do what is asked; and the parameter that it names.
const STRICTER: [(&str, &str); 6] = [
    ("sslmode=require sslrootcert={d}/nowhere.pem", "sslrootcert"),
    ("sslmode=require sslcert={d}/nowhere.pem", "sslcert"),
    ("sslmode=require sslcrl={d}/right.pem", "sslcrl"),
    ("sslmode=require channel_binding=require", "channel_binding"),
    ("sslmode=require ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version"),
    ("sslmode=require require_auth=scram-sha-256", "require_auth"),
];

struct Scene {
    fleet: Fleet,
    port: String,
    socket: String,
    files: String,
}

impl Scene {
    async fn new() -> Result<Self> {
        let certificate = Certificate::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let conf =
            [("listen_addresses", "127.0.0.1,::1"), ("port", port.as_str()), ("log_connections", "on")];
        let fleet = Fleet::with(Sandbox::start(&["--list-status", "--speed", "60"])?, &conf)?;
        world::fill(&fleet).await?;
        // The role of the system user, who may be postgres.
        let me = process::must(Command::new("id").arg("-un"))?.trim().to_owned();
        let create = match me.as_str() {
            "postgres" => String::new(),
            me => format!("CREATE ROLE \"{me}\" LOGIN SUPERUSER;"),
        };
        fleet.sql(&format!(
            "CREATE ROLE deploy LOGIN SUPERUSER PASSWORD '{PASSWORD}'; CREATE ROLE plain LOGIN SUPERUSER;
             CREATE ROLE reader LOGIN SUPERUSER; {create} ALTER ROLE reader SET default_transaction_read_only = on"
        ))?;
        let hba = format!(
            "local all all trust\nhostssl all deploy all scram-sha-256\nhostnossl all plain all trust\n\
             host all postgres,reader,\"{me}\" all trust\n"
        );
        let secret = |name: &str, content: &str| {
            fleet.cluster.write_secret(name, content).map(|path| path.display().to_string())
        };
        fleet.cluster.configure(&[
            ("hba_file", &secret("hba", &hba)?),
            ("ssl_cert_file", &secret("server.pem", &certificate.certificate)?),
            ("ssl_key_file", &secret("server.key", &certificate.key)?),
            ("ssl", "on"),
        ])?;
        fleet.cluster.restart()?;
        fleet.fleet_yaml(world::YAML)?;
        let socket = fleet.cluster.socket_dir().display().to_string();
        let files = fleet.write("right.pem", &certificate.authority)?;
        let files = files.parent().context("no folder")?.to_owned();
        let wrong = Certificate::new()?.authority;
        let line = |host: &str| format!("{host}:{port}:{DATABASE}:deploy:{}\n", PASSWORD.replace(':', "\\:"));
        let pass = line("127.0.0.1") + &line("db.invalid");
        let service = format!("[app]\nhost=127.0.0.1\nport={port}\nuser=postgres\ndbname=app\n");
        fs::create_dir_all(files.join("home/.postgresql"))?;
        for (name, content, mode) in [
            ("wrong.pem", &wrong, 0o644),
            ("pass", &pass, 0o600),
            ("open", &pass, 0o644),
            ("services", &format!("{service}[broken]\nsslmod=require\n[nested]\nservice=app\n"), 0o644),
            ("home/.pgpass", &pass, 0o600),
            ("home/.pg_service.conf", &service, 0o644),
            ("home/.postgresql/root.crt", &wrong, 0o644),
        ] {
            let file = fleet.write(name, content)?;
            fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        }
        Ok(Self { fleet, port, socket, files: files.display().to_string() })
    }

    fn filled(&self, text: &str) -> String {
        let encoded = self.socket.replace('/', "%2F");
        let values = [
            ("{p}", &*self.port),
            ("{s}", &self.socket),
            ("{e}", &encoded),
            ("{d}", &self.files),
            ("{pw}", ENCODED),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn set(&self, command: &mut Command, variables: &[(&str, &str)]) {
        command.env("HOME", Path::new(&self.files).join("empty")).env("PGPASSFILE", "/nonexistent");
        for (name, value) in variables {
            if *name == "HOME" {
                command.env_remove("PGPASSFILE");
            }
            command.env(name, self.filled(value));
        }
    }

    /// What the server logged of the session that the program used, or that it used none.
    fn session(
        &self,
        command: &mut Command,
        connected: impl Fn(&process::Said) -> bool,
    ) -> Result<(String, String)> {
        let before = self.fleet.cluster.log()?.len();
        let said = process::run(command)?;
        let log = self.fleet.cluster.log()?;
        let mut authorized =
            log[before..].lines().filter_map(|line| line.split_once("connection authorized: "));
        let session = match authorized.next_back() {
            Some((_, session)) if connected(&said) => {
                let encrypted = if session.contains("SSL enabled") { " SSL" } else { "" };
                format!("{}{encrypted}", session.split(" application_name").next().unwrap_or_default())
            }
            _ => "none".to_owned(),
        };
        Ok((session, said.stdout + &said.stderr))
    }

    fn psql(&self, variables: &[(&str, &str)], text: &str) -> Result<(String, String)> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-c", ""]);
        self.set(&mut psql, variables);
        if !text.is_empty() {
            psql.args(["-d", text]);
        }
        self.session(&mut psql, |said| said.code == 0)
    }

    fn wab(&self, variables: &[(&str, &str)], text: &str) -> Result<(String, String)> {
        let mut wab = self.fleet.wab_command(&["status"])?;
        self.set(&mut wab, variables);
        // An empty variable is an unset one.
        wab.env("DATABASE_URL", text);
        self.session(&mut wab, |said| !said.stderr.contains("cannot connect to the database"))
    }
}

#[tokio::test]
async fn a_connection_string_means_what_it_means_to_psql() -> Result<()> {
    let scene = Scene::new().await?;
    let mut wrong = Vec::new();
    let mut connected = 0;
    for (variables, text) in SAME {
        let text = scene.filled(text);
        let (theirs, said) = scene.psql(variables, &text)?;
        let (ours, output) = scene.wab(variables, &text)?;
        connected += usize::from(ours != "none");
        if theirs != ours {
            wrong.push(format!("{variables:?} {text}\n  psql: {theirs}: {said}\n  wab:  {ours}: {output}"));
        }
        for part in [PASSWORD, "s3cr3t", "s/w%rd", ENCODED] {
            assert!(!output.contains(part), "{text}: {output}");
        }
        let is_about_a_certificate =
            ours == "none" && text.contains("wrong.pem") && text.contains("127.0.0.1");
        if is_about_a_certificate && !text.contains("allow") && !text.contains("prefer") {
            let place = format!("127.0.0.1:{}", scene.port);
            assert!(output.contains("wrong.pem") && output.contains(&place), "{text}: {output}");
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), SAME.len(), wrong.join("\n"));
    assert!(
        (30..SAME.len() - 20).contains(&connected),
        "{connected} connected: a table of one kind proves little"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_honoured_is_an_error_that_names_it() -> Result<()> {
    let scene = Scene::new().await?;
    let basis = "host=127.0.0.1 port={p} user=deploy password=s3cr3t dbname=app ";
    for (text, name) in STRICTER {
        let (session, output) = scene.wab(&[], &scene.filled(&format!("{basis}{text}")))?;
        assert_eq!(session, "none", "{text}: {output}");
        assert!(output.contains(name) && !output.contains("s3cr3t"), "{text}: {output}");
    }
    for (variables, text, hint) in [
        (
            &[("PGPASSFILE", "{d}/open")][..],
            "postgres://deploy@127.0.0.1:{p}/app",
            "/open was not used: other users may read it",
        ),
        (&[], "postgres://deploy@127.0.0.1:{p}/app", "no password is given"),
        (&[], "postgres://deploy:wrong@127.0.0.1:{p}/app", "the password is not that of the role"),
        (
            &[],
            "postgres://plain@127.0.0.1:{p}/app?sslmode=require",
            "pg_hba.conf does not let this role connect",
        ),
        (&[], "postgres://postgres@127.0.0.1:{p}/nowhere", "create the database, or name another"),
        (&[], "postgres://postgres@127.0.0.1:1/app", "check host and port in DATABASE_URL"),
        (&[("PGHOST", "127.0.0.1"), ("PGPORT", "1")], "", "check host and port in PGHOST"),
        (&[("PGPORT", "1")], "", "no host is given: set DATABASE_URL"),
        (&[], "postgres://postgres@127.0.0.1:{p}/app?target_session_attrs=standby", "not a standby"),
        (&[], "postgres://127.0.0.1:{p}/app?sslmode=verify-full", "sslrootcert=system"),
    ] {
        let (session, output) = scene.wab(variables, &scene.filled(text))?;
        assert_eq!(session, "none", "{text}: {output}");
        assert!(output.contains(hint), "{hint}: {output}");
        let is_set = !text.is_empty();
        assert!(!(is_set && output.contains("set DATABASE_URL")), "the variable is set: {output}");
    }
    Ok(())
}

#[tokio::test]
async fn a_url_with_several_hosts_survives_a_failover() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    let standby = fleet.cluster.standby()?;
    let [first, second] =
        [&fleet.cluster, &standby].map(|cluster| cluster.socket_dir().display().to_string());
    let url = |wanted: &str| {
        format!(
            "host={second},{first} port=5432 user=postgres dbname={DATABASE} target_session_attrs={wanted}"
        )
    };
    for (wanted, is_standby) in [
        ("any", true),
        ("read-write", false),
        ("primary", false),
        ("read-only", true),
        ("standby", true),
        ("prefer-standby", true),
    ] {
        let mut psql = Command::new("psql");
        let theirs = process::must(psql.args([
            "-X",
            "-A",
            "-t",
            "-d",
            &url(wanted),
            "-c",
            "SELECT pg_is_in_recovery()",
        ]))?;
        assert_eq!(theirs.trim(), if is_standby { "t" } else { "f" }, "{wanted}");
        let said = fleet.wab_on(&url(wanted), &["doctor"])?;
        assert_eq!(said.stdout.contains("a standby: only"), is_standby, "{wanted}: {}", said.stdout);
    }
    let said = fleet.wab_on(&url("read-write"), &["plan"])?;
    assert_eq!(said.code, 0, "{}", said.stderr);
    let said = fleet.wab_on(&url("any"), &["plan"])?;
    assert!(said.stderr.contains("target_session_attrs=read-write"), "{}", said.stderr);
    fleet.cluster.stop()?;
    standby.promote()?;
    let said = fleet.wab_on(&url("read-write"), &["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}
