//! Tests `{secret}` in a webhook_url: the provider gets a signature, the application verifies it, and nothing else shows it.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::sandbox::Sandbox;
use e2e::{process, wait};
use serde_json::{Value, json};

use crate::world;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

/// The `{secret}` in the webhook_url that the provider has for this tenant.
async fn sent(fleet: &Fleet, customer_ref: &str) -> Result<String> {
    let bridges = fleet.sandbox.bridges().await?;
    let bridge = bridges.iter().find(|bridge| bridge["customer_ref"] == customer_ref).context("no bridge")?;
    let url = bridge["webhook_url"].as_str().context("no webhook_url")?;
    let secret = url.strip_prefix(&format!("https://app.test/{customer_ref}?s=")).context(url.to_owned())?;
    anyhow::ensure!(secret.len() == 64, "{url}");
    Ok(secret.to_owned())
}

/// Names the file of the keys in postgresql.conf.
async fn set(fleet: &Fleet, file: &str) -> Result<()> {
    fleet.cluster.configure(&[("wab.webhook_secret_file", file)])?;
    fleet.cluster.reload()?;
    wait::until("the setting is loaded", async || {
        Ok((fleet.sql("LOAD 'pg_wabridges'; SHOW wab.webhook_secret_file")? == file).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_provider_gets_a_signature_that_the_database_verifies_and_nothing_else_shows() -> Result<()> {
    let conf = [("shared_preload_libraries", "pg_stat_statements"), ("log_min_messages", "debug5")];
    let fleet = Fleet::with(Sandbox::start(&["--list-status", "--speed", "60"])?, &conf)?;
    if fleet.install != Install::Extension {
        return Ok(());
    }
    world::fill(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_stat_statements")?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22'), ('cust_23');
         SELECT * FROM wab_bind_tenants(webhook_url => '''https://app.test/'' || id || ''?s={secret}''')",
    )?;
    // Without usable keys nothing is sent.
    fleet.cluster.expect_in_log(&["no key for {secret}", "the file of webhook keys cannot be used"]);
    let provision = "SELECT outcome FROM wab_provision('cust_21')";
    let keys = fleet.cluster.write_secret("webhook_keys", OLD)?;
    fleet.sandbox.clear_ledger().await?;
    let (code, message) = fleet.sql_error(provision)?;
    assert!(code == "55000" && message.contains("wab.webhook_secret_file"), "{message}");
    set(&fleet, "webhook_keys").await?;
    let (code, message) = fleet.sql_error(provision)?;
    assert!(code == "55000" && message.contains("the path is not absolute"), "{message}");
    set(&fleet, &keys.display().to_string()).await?;
    std::fs::write(&keys, "short")?;
    let (code, message) = fleet.sql_error(provision)?;
    assert!(code == "55000" && message.contains("line 1 has fewer than 32 characters"), "{message}");
    assert_eq!(fleet.sandbox.ledger().await?, [json!(null); 0]);

    // An event without a secret needs no key.
    let unsigned = "SELECT wab_webhook_secret_ok(NULL, NULL), wab_webhook_secret_ok('cust_21', NULL)";
    assert_eq!(fleet.sql(unsigned)?, "f|f");
    std::fs::write(&keys, OLD)?;
    assert_eq!(fleet.sql(provision)?, "created");
    let first = sent(&fleet, "cust_21").await?;
    fleet.sql("SELECT wab_enqueue_provision('cust_22')")?;
    fleet.sql("CALL wab_work_queue()")?;
    let second = sent(&fleet, "cust_22").await?;
    assert_ne!(first, second);
    assert_eq!(
        fleet.sql("SELECT webhook_url FROM wab_bridges WHERE customer_ref = 'cust_21'")?,
        "https://app.test/cust_21?s={secret}"
    );
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift WHERE kind = 'webhook'")?, "0");
    let mut app = fleet.connect().await?;
    let mut verified = async |customer_ref: &str, secret: Option<&str>| -> Result<bool> {
        let ok = sqlx::query_scalar("SELECT wab_webhook_secret_ok($1, $2)").bind(customer_ref).bind(secret);
        Ok(ok.fetch_one(&mut app).await?)
    };
    assert!(verified("cust_21", Some(&first)).await? && verified("cust_22", Some(&second)).await?);
    assert!(!verified("cust_22", Some(&first)).await? && !verified("cust_21", None).await?);
    // Rotation: the new key signs, and bridges made with the old one still verify until it is taken out.
    std::fs::write(&keys, format!("{NEW}\n{OLD}\n"))?;
    fleet.fleet_yaml(&format!(
        "tenants: {{ table: public.tenants, wanted: status = 'active' }}
bridges: {{ webhook_url: 'https://app.test/{{tenant_id}}?s={{secret}}', webhook_secret_file: {} }}\n",
        keys.display()
    ))?;
    let mut said = String::new();
    for args in [&["plan", "--json"][..], &["plan"], &["apply", "-y"], &["plan", "--detailed-exitcode"]] {
        let it = fleet.wab(args)?;
        assert_eq!(it.code, 0, "{args:?} {}{}", it.stdout, it.stderr);
        said += &format!("{}{}", it.stdout, it.stderr);
    }
    let third = sent(&fleet, "cust_23").await?;
    assert!(verified("cust_23", Some(&third)).await? && verified("cust_21", Some(&first)).await?);
    std::fs::write(&keys, NEW)?;
    assert!(verified("cust_23", Some(&third)).await? && !verified("cust_21", Some(&first)).await?);

    // Who sets a URL by hand sees it; nobody else does.
    assert!(fleet.sql("SELECT wab_webhook_url('cust_23')")?.ends_with(&third));
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    for call in ["wab_webhook_url('cust_23')", "wab_webhook_secret_ok('cust_23', 'x')"] {
        for role in ["wab_reader", "wab_support", "wab_enqueuer"] {
            let (code, message) = fleet.sql_error(&format!("SET ROLE {role}; SELECT {call}"))?;
            assert_eq!(code, "42501", "{role}: {message}");
        }
    }
    let dump = process::must(&mut fleet.cluster.program("pg_dump", DATABASE))?;
    let statements = fleet.sql("SELECT string_agg(query, ' ') FROM pg_stat_statements")?;
    let log = fleet.cluster.log()?;
    for (place, text) in [("output", &said), ("dump", &dump), ("statements", &statements), ("log", &log)] {
        for secret in [&first, &second, &third, OLD, NEW] {
            // At debug5 the server logs the parameters of the application's own queries.
            let shown =
                text.lines().filter(|line| line.contains(secret) && !line.contains("parameters: $1")).count();
            assert_eq!(shown, 0, "{place}");
        }
    }
    Ok(())
}

/// A `webhook` finding is ended by the person who set the URL in the dashboard.
#[tokio::test]
async fn a_webhook_that_was_set_in_the_dashboard_is_confirmed_once_for_all() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE wab_bridges SET webhook_url = 'https://old.test/' WHERE bridge_id <= 2")?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }\nbridges: { webhook_url: 'https://new.test/{tenant_id}' }\n",
    )?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    let findings = || -> Result<Vec<Value>> {
        let plan: Value = serde_json::from_str(&fleet.wab(&["plan", "--json"])?.stdout)?;
        Ok(plan["findings"].as_array().cloned().unwrap_or_default())
    };
    assert_eq!(findings()?.len(), 2);
    assert_eq!(fleet.sql("SELECT wab_webhook_set('cust_01')")?, "t");
    let left = findings()?;
    assert_eq!((left.len(), &left[0]["customer_ref"]), (1, &json!("cust_02")));
    assert_eq!(
        fleet.sql("SELECT reported, became ~ '^https://new.test/[.]{3} ' FROM wab_bridge_events WHERE event = 'webhook'")?,
        "postgres|t"
    );
    // A listing keeps what was confirmed.
    fleet.observe().await?;
    assert_eq!(
        fleet.sql("SELECT string_agg(customer_ref, ' ') FROM wab_drift WHERE kind = 'webhook'")?,
        "cust_02"
    );
    Ok(())
}
