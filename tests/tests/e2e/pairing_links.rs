//! Tests pairing links: who gets one and who may make one, each way in which one dies, and that the token stays with whom it
//! was given to.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process::{self, Said};
use e2e::sandbox::Sandbox;
use e2e::wait;
use serde_json::json;
use sqlx::{Connection, Row};

use crate::world;

mod verb;

const PAGE: &str = "https://pair.example.com/p";

/// Twenty tenants, of which `cust_01` to `cust_05` wait to be scanned.
async fn unscanned() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    unscan(&fleet).await?;
    Ok(fleet)
}

async fn unscan(fleet: &Fleet) -> Result<()> {
    for id in 1..=5 {
        fleet.sandbox.change(id, json!({"status": "qr"})).await?;
    }
    fleet.observe().await?;
    fleet.sql(&format!("UPDATE wab_policy SET pairing_url = '{PAGE}'")).map(drop)
}

/// The token of a link.
fn token(link: &str) -> Result<&str> {
    let token = link.trim().strip_prefix(PAGE).and_then(|rest| rest.strip_prefix('#')).context("no link")?;
    anyhow::ensure!(token.len() == 43, "{token}");
    Ok(token)
}

/// A new link for this tenant.
fn made(fleet: &Fleet, tenant: &str) -> Result<String> {
    fleet.sql(&format!("SELECT link FROM wab_pairing_link('{tenant}')"))
}

/// The tenant whose page this link opens now; empty if it opens none.
fn opens(fleet: &Fleet, link: &str) -> Result<String> {
    let token = token(link)?;
    fleet.sql(&format!("SELECT customer_ref FROM _wab_opened_link(sha256('{token}'))"))
}

fn states(fleet: &Fleet) -> Result<String> {
    Ok(fleet.sql("SELECT state FROM wab_links ORDER BY link_id")?.replace('\n', " "))
}

fn as_role(fleet: &Fleet, role: &str, sql: &str) -> Result<Said> {
    let mut psql = fleet.cluster.program("psql", DATABASE);
    psql.env("PGUSER", role);
    process::run(psql.args(["-XAtq", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=1", "-c", sql]))
}

#[tokio::test]
async fn a_link_dies_when_its_bridge_is_paired_and_never_works_again() -> Result<()> {
    let fleet = unscanned().await?;
    let (link, other) = (made(&fleet, "cust_01")?, made(&fleet, "cust_02")?);
    assert_eq!((opens(&fleet, &link)?.as_str(), opens(&fleet, &other)?.as_str()), ("cust_01", "cust_02"));
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    assert_eq!(opens(&fleet, &link)?, "cust_01", "the database does not know it yet");
    fleet.observe().await?;
    assert_eq!(opens(&fleet, &link)?, "");
    assert_eq!(fleet.sql("SELECT _wab_link_state(1), _wab_link_state(2)")?, "paired|usable");
    fleet.sandbox.change(1, json!({"status": "disconnected"})).await?;
    fleet.observe().await?;
    assert_eq!(opens(&fleet, &link)?, "");
    // By a webhook, and by a bridge that was gone meanwhile.
    fleet.sql("SELECT wab_ingest_event('cust_02', '{\"event\": \"connected\"}'), wab_ingest_event('cust_02', '{\"event\": \"disconnected\"}')")?;
    let third = made(&fleet, "cust_03")?;
    fleet.sandbox.remove(3).await?;
    fleet.observe().await?;
    assert_eq!(states(&fleet)?, "paired paired moved");
    fleet.sandbox.add(json!([{"id": 3, "customer_ref": "cust_03", "status": "connected"}])).await?;
    fleet.observe().await?;
    fleet.sandbox.change(3, json!({"status": "disconnected"})).await?;
    fleet.observe().await?;
    assert_eq!(states(&fleet)?, "paired paired paired");
    assert_eq!((opens(&fleet, &other)?.as_str(), opens(&fleet, &third)?.as_str()), ("", ""));
    // A new link is for the next pairing.
    assert_eq!(opens(&fleet, &made(&fleet, "cust_01")?)?, "cust_01");
    Ok(())
}

#[tokio::test]
async fn a_link_expires_is_revoked_and_follows_neither_bridge_nor_tenant() -> Result<()> {
    let fleet = unscanned().await?;
    let short = fleet.sql("SELECT link FROM wab_pairing_link('cust_01', '1 second')")?;
    let links: Vec<_> = (2..=5).map(|n| made(&fleet, &format!("cust_0{n}"))).collect::<Result<_>>()?;
    assert_eq!(states(&fleet)?.replace("expired", "usable"), "usable usable usable usable usable");
    wait::until("it has expired", || async { Ok(opens(&fleet, &short)?.is_empty().then_some(())) }).await?;
    fleet.sql("SELECT wab_revoke_pairing_links('cust_02')")?;
    fleet.sql("UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_03'")?;
    fleet.sandbox.remove(4).await?;
    fleet.sandbox.add_one("cust_04", "qr").await?;
    fleet.observe().await?;
    assert_eq!(states(&fleet)?, "expired revoked unwanted moved usable");
    for link in &links[..3] {
        assert_eq!(opens(&fleet, link)?, "");
    }
    assert_eq!(opens(&fleet, &links[3])?, "cust_05");
    // The views may be gone, and come back with the next binding.
    fleet.sql("SELECT wab_unbind_tenants()")?;
    assert_eq!(opens(&fleet, &links[3])?, "");
    fleet.sql("SELECT * FROM wab_bind_tenants()")?;
    assert_eq!(opens(&fleet, &links[3])?, "cust_05");
    assert_eq!(fleet.sql("SELECT wab_prune_history('0') > 0")?, "t");
    assert_eq!(states(&fleet)?, "usable");
    Ok(())
}

#[tokio::test]
async fn a_revocation_waits_for_no_reader_and_counts_once() -> Result<()> {
    let fleet = unscanned().await?;
    let link = made(&fleet, "cust_01")?;
    let opened = format!("SELECT count(*) FROM _wab_opened_link(sha256('{}'))", token(&link)?);
    let revoke = "SELECT wab_revoke_pairing_links('cust_01')";
    let mut page = fleet.connect().await?;
    let mut reading = page.begin().await?;
    let count = async |connection: &mut sqlx::PgConnection| -> Result<i64> {
        Ok(sqlx::query(sqlx::AssertSqlSafe(opened.clone())).fetch_one(connection).await?.get(0))
    };
    assert_eq!(count(&mut reading).await?, 1);
    // A revocation that is rolled back is none.
    fleet.sql(&format!("BEGIN; {revoke}; ROLLBACK"))?;
    assert_eq!(count(&mut reading).await?, 1);
    let (mut first, mut second) = (fleet.connect().await?, fleet.connect().await?);
    let mut revoking = first.begin().await?;
    assert_eq!(sqlx::query_scalar::<_, i64>(revoke).fetch_one(&mut *revoking).await?, 1);
    assert_eq!(count(&mut reading).await?, 1, "it is not committed");
    let waiting =
        tokio::spawn(async move { sqlx::query_scalar::<_, i64>(revoke).fetch_one(&mut second).await });
    wait::until("the second revocation waits", || async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%wab_revoke_pairing_links%'";
        Ok((fleet.sql(waits)? == "1").then_some(()))
    })
    .await?;
    revoking.commit().await?;
    assert_eq!(waiting.await??, 0, "both revoked the same link");
    assert_eq!(count(&mut reading).await?, 0, "an opened page learns it at once");
    assert_eq!(fleet.sql("SELECT _wab_link_state(1)")?, "revoked");
    Ok(())
}

#[tokio::test]
async fn support_and_operators_make_and_revoke_links_and_readers_see_no_hash() -> Result<()> {
    let fleet = unscanned().await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE ann LOGIN IN ROLE wab_support; CREATE ROLE olga LOGIN IN ROLE wab_operator; CREATE ROLE rita LOGIN IN ROLE wab_reader; CREATE ROLE nosy LOGIN")?;
    for (role, tenant) in [("ann", "cust_01"), ("olga", "cust_02")] {
        let made = as_role(&fleet, role, &format!("SELECT link FROM wab_pairing_link('{tenant}')"))?;
        assert_eq!(made.code, 0, "{}", made.stderr);
        let hash = format!("sha256('{}')", token(&made.stdout)?);
        let opened = as_role(&fleet, role, &format!("SELECT customer_ref FROM _wab_opened_link({hash})"))?;
        assert_eq!(opened.stdout.trim(), tenant, "{}", opened.stderr);
        let revoked = as_role(&fleet, role, &format!("SELECT wab_revoke_pairing_links('{tenant}')"))?;
        assert_eq!(revoked.stdout.trim(), "1", "{}", revoked.stderr);
    }
    assert_eq!(
        fleet.sql("SELECT made_by, revoked_by, state FROM wab_links ORDER BY 1")?,
        "ann|ann|revoked\nolga|olga|revoked"
    );
    for sql in [
        "SELECT customer_ref, state FROM wab_links ORDER BY link_id",
        "SELECT 'cust_01', by_whom FROM wab_tenant_history('cust_01') WHERE event = 'pairing link revoked'",
        "SELECT link_id, customer_ref, made_by FROM wab_pairing_links",
    ] {
        let read = as_role(&fleet, "rita", sql)?;
        assert!(read.code == 0 && read.stdout.contains("cust_01"), "{sql}: {}{}", read.stdout, read.stderr);
    }
    for (role, sql) in [
        ("rita", "SELECT token_sha256 FROM wab_pairing_links"),
        ("rita", "SELECT * FROM wab_pairing_links"),
        ("rita", "SELECT wab_pairing_link('cust_03')"),
        ("rita", "SELECT wab_revoke_pairing_links('cust_01')"),
        ("rita", "SELECT _wab_opened_link('')"),
        ("ann", "DELETE FROM wab_pairing_links"),
        ("nosy", "SELECT * FROM wab_links"),
        ("nosy", "SELECT wab_pairing_link('cust_03')"),
        ("nosy", "SELECT wab_revoke_pairing_links('cust_01')"),
    ] {
        let refused = as_role(&fleet, role, sql)?;
        assert!(refused.code != 0 && refused.stderr.contains("42501"), "{role}: {sql}: {}", refused.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_role_from_which_tenants_are_hidden_makes_no_link() -> Result<()> {
    let fleet = unscanned().await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        "CREATE ROLE ann LOGIN IN ROLE wab_support; ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
         CREATE POLICY half ON tenants USING (id <> 'cust_02')",
    )?;
    let refused = as_role(&fleet, "ann", "SELECT wab_pairing_link('cust_01')")?;
    assert!(refused.stderr.contains("row-level security hides rows from role ann"), "{}", refused.stderr);
    assert_eq!(states(&fleet)?, "");
    Ok(())
}

/// Whatever the operator logs, and whatever is stored, the token is not in it.
#[tokio::test]
async fn the_token_is_found_nowhere() -> Result<()> {
    let fleet = Fleet::with(
        Sandbox::start(&["--list-status", "--speed", "60"])?,
        &[
            ("shared_preload_libraries", "pg_stat_statements,auto_explain"),
            ("pg_stat_statements.track", "all"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_verbose", "on"),
            ("log_statement", "all"),
            ("log_min_messages", "debug5"),
            ("client_min_messages", "debug5"),
            ("log_duration", "on"),
            ("debug_print_plan", "on"),
            ("log_parameter_max_length_on_error", "-1"),
            ("log_error_verbosity", "verbose"),
        ],
    )?;
    world::fill(&fleet).await?;
    unscan(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_stat_statements")?;
    fleet.fleet_yaml(world::YAML)?;
    // A statement that fails after the link was made logs its parameters too.
    let mut psql = fleet.cluster.program("psql", DATABASE);
    let made = "SELECT link FROM wab_pairing_link('cust_01')";
    let statements = [
        made,
        "BEGIN",
        "SELECT link, 1 / (1 - length(left(link, 1))) FROM wab_pairing_link('cust_02')",
        "ROLLBACK",
    ];
    let said = process::run(psql.arg("-XAtq").args(statements.iter().flat_map(|sql| ["-c", sql])))?;
    let last = said.stderr.contains("division by zero");
    assert!(last, "{}", said.stderr);
    let mut links = vec![said.stdout.lines().next().unwrap_or_default().to_owned()];
    links.push(fleet.wab(&["link", "cust_03"])?.stdout.trim().to_owned());
    let mut connection = fleet.connect().await?;
    let bound = sqlx::query_scalar("SELECT link FROM wab_pairing_link($1)").bind("cust_04");
    links.push(bound.fetch_one(&mut connection).await?);
    let activity = fleet.sql("SELECT s::text FROM pg_stat_activity s")?;
    assert!(activity.contains("wab_pairing_link($1)"), "{activity}");
    let statements = fleet.sql("SELECT s::text FROM pg_stat_statements s")?;
    assert!(statements.contains("INSERT INTO public.wab_pairing_links"), "nested statements must be listed");
    let dump = process::must(&mut fleet.cluster.program("pg_dump", DATABASE))?;
    assert!(dump.contains("COPY public.wab_pairing_links"), "the dump must have the rows");
    let log = fleet.cluster.log()?;
    assert!(log.contains("DEBUG:") && log.contains("Query Text: INSERT INTO public.wab_pairing_links"));
    assert_eq!(links.len(), 3);
    for link in &links {
        let token = token(link)?;
        for (place, text) in [
            ("activity", &activity),
            ("statements", &statements),
            ("dump", &dump),
            ("log", &log),
            ("stderr", &said.stderr),
        ] {
            let found = text.lines().find(|line| line.contains(token));
            assert_eq!(found, None, "{place}");
        }
    }
    Ok(())
}

/// The statements that PostgreSQL runs for a token tell neither that it never existed nor why it is dead.
#[tokio::test]
async fn a_wrong_token_and_a_dead_one_cost_the_same_statements() -> Result<()> {
    let fleet = Fleet::with(
        Sandbox::start(&["--list-status", "--speed", "60"])?,
        &[("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.track", "all")],
    )?;
    world::fill(&fleet).await?;
    unscan(&fleet).await?;
    fleet.sql("CREATE EXTENSION pg_stat_statements")?;
    let (expired, revoked) = (made(&fleet, "cust_01")?, made(&fleet, "cust_02")?);
    fleet
        .sql("UPDATE wab_pairing_links SET valid_until = clock_timestamp() WHERE customer_ref = 'cust_01'")?;
    fleet.sql("SELECT wab_revoke_pairing_links('cust_02')")?;
    let usable = made(&fleet, "cust_03")?;
    let mut costs = Vec::new();
    for token in [&expired, &revoked, &usable, &format!("{PAGE}#{}", "x".repeat(43))] {
        fleet.sql("SELECT pg_stat_statements_reset()")?;
        opens(&fleet, token)?;
        costs.push(fleet.sql(
            "SELECT query, calls FROM pg_stat_statements WHERE query !~ 'pg_stat_statements' ORDER BY 1, 2",
        )?);
    }
    assert!(costs[0].contains("wab_bridge_events") && costs[0].contains("wab_tenants"), "{}", costs[0]);
    costs.dedup();
    assert_eq!(costs.len(), 1, "{costs:#?}");
    Ok(())
}
