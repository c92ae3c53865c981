//! Tests verified TLS connections to the provider and to the database, and passwords from ~/.pgpass.

use std::net::TcpListener;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::sandbox::Sandbox;
use e2e::{process, wait};

use crate::tls::Certificate;
use crate::world;

#[tokio::test(flavor = "multi_thread")]
async fn https_needs_a_certificate_that_is_trusted() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let certificate = Certificate::new()?;
    let plain = fleet.sandbox.url().strip_prefix("http://").context("no address")?.parse()?;
    let url = format!("https://{}", certificate.front(plain).await?);
    let ca_file = fleet.cluster.write_secret("ca.pem", &certificate.authority)?;
    let before = world::observed(&fleet)?;

    fleet.cluster.configure(&[("wab.api_url", &url)])?;
    fleet.cluster.reload()?;
    holds(&fleet, "wab.api_url", &url).await?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
    assert_eq!(code, "08001", "{message}");
    assert!(message.contains("UnknownIssuer"), "{message}");
    let yaml = std::fs::read_to_string(fleet.fleet_yaml(world::YAML)?)?.replace(fleet.sandbox.url(), &url);
    fleet.write("fleet.yaml", &yaml)?;
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("UnknownIssuer"), "{}", said.stderr);
    assert_eq!(world::observed(&fleet)?, before);

    let ca_file = ca_file.display().to_string();
    fleet.cluster.configure(&[("wab.ca_file", &ca_file)])?;
    fleet.cluster.reload()?;
    holds(&fleet, "wab.ca_file", &ca_file).await?;
    assert_eq!(fleet.sql("SELECT bridges, skipped FROM wab_refresh()")?, "20|f");
    fleet.write("ours.pem", &certificate.authority)?;
    fleet.write("fleet.yaml", &yaml.replace("account:\n", "account:\n  ca_file: ours.pem\n"))?;
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn the_database_is_verified_and_asked_with_the_password_of_pgpass() -> Result<()> {
    let certificate = Certificate::new()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let conf = [("listen_addresses", "127.0.0.1"), ("port", port.as_str())];
    let fleet = Fleet::with(Sandbox::start(&["--list-status", "--speed", "60"])?, &conf)?;
    world::fill(&fleet).await?;
    fleet.sql("CREATE ROLE deploy LOGIN SUPERUSER PASSWORD 'not:for\\you'")?;
    let hba = "local all all trust\nhostssl all deploy 127.0.0.1/32 scram-sha-256\n";
    let [hba, certificate_file, key_file] =
        [("hba", hba), ("server.pem", &*certificate.certificate), ("server.key", &*certificate.key)].map(
            |(name, content)| {
                fleet.cluster.write_secret(name, content).map(|path| path.display().to_string())
            },
        );
    let (hba, certificate_file, key_file) = (hba?, certificate_file?, key_file?);
    fleet.cluster.configure(&[
        ("hba_file", &hba),
        ("ssl_cert_file", &certificate_file),
        ("ssl_key_file", &key_file),
        ("ssl", "on"),
    ])?;
    fleet.cluster.restart()?;
    fleet.fleet_yaml(world::YAML)?;
    let trusted = fleet.write("trusted.pem", &certificate.authority)?;
    let other = fleet.write("other.pem", &Certificate::new()?.authority)?;
    let pass = fleet.write("pgpass", &format!("127.0.0.1:{port}:{DATABASE}:deploy:not\\:for\\\\you\n"))?;
    process::must(std::process::Command::new("chmod").arg("600").arg(&pass))?;
    let plan = |root: &std::path::Path, pass: &std::path::Path| {
        let mut wab = fleet.wab_command(&["plan"])?;
        wab.env_remove("DATABASE_URL").env("PGHOST", "127.0.0.1").env("PGPORT", &port);
        wab.env("PGUSER", "deploy").env("PGDATABASE", DATABASE).env("PGPASSFILE", pass);
        process::run(wab.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", root))
    };
    let said = plan(&trusted, &pass)?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let said = plan(&other, &pass)?;
    assert_eq!(said.code, 1, "another authority: {}", said.stderr);
    assert!(said.stderr.contains("invalid peer certificate"), "{}", said.stderr);
    let said = plan(&trusted, &other)?;
    assert_eq!(said.code, 1, "no password: {}", said.stderr);
    assert!(!said.stderr.contains("for\\you"), "{}", said.stderr);

    let url = format!(
        "postgres://deploy:not%3Afor%5Cyou@127.0.0.1:{port}/{DATABASE}?sslmode=verify-full&sslrootcert={}",
        trusted.display()
    );
    let said = process::run(fleet.wab_command(&["plan"])?.env("DATABASE_URL", url))?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

async fn holds(fleet: &Fleet, name: &str, value: &str) -> Result<()> {
    let show = format!("LOAD 'pg_wabridges'; SHOW {name}");
    wait::until("the setting is in effect", || async { Ok((fleet.sql(&show)? == value).then_some(())) }).await
}
