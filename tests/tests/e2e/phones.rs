//! Tests who is paired: it is learnt from sessions and events, it is drift when it is not who it should be, and no number reaches
//! a role that may not see it, a plan or a log.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use serde_json::{Value, json};

use crate::world;

/// The kinds of drift that `world::break_everything` does not cause.
const KINDS: &str = "phone_changed phone_shared phone_unexpected silent";

/// The numbers after the sandbox's own, which are 1555 and the bridge's id.
const CHANGED: &str = "447700900123";
const SHARED: &str = "447700900456";

/// Twenty healthy tenants whose sessions must be asked: the list carries no statuses.
async fn unlisted() -> Result<Fleet> {
    let fleet = Fleet::start(&["--speed", "60"])?;
    world::fill(&fleet).await?;
    fleet.fleet_yaml(world::YAML)?;
    poll(&fleet)?;
    Ok(fleet)
}

/// Asks all sessions, as the installation can: by SQL, or by `wab`.
fn poll(fleet: &Fleet) -> Result<()> {
    if fleet.install == Install::Extension {
        // A bridge that was asked less than 50 seconds ago is left out.
        fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL; SELECT * FROM wab_poll_status()")?;
    } else {
        fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL")?;
        let said = fleet.wab(&["drift", "--poll-status", "20"])?;
        anyhow::ensure!([0, 2].contains(&said.code), "{said:?}");
    }
    Ok(())
}

fn recipe() -> Result<String> {
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/roles.sql");
    std::fs::read_to_string(&roles).with_context(|| roles.display().to_string())
}

fn phone_of(fleet: &Fleet, id: i64) -> Result<String> {
    fleet.sql(&format!("SELECT phone, jid FROM wab_phones WHERE bridge_id = {id}"))
}

#[tokio::test]
async fn who_is_paired_is_learnt_and_drift_when_it_is_another_one() -> Result<()> {
    let fleet = unlisted().await?;
    assert_eq!(phone_of(&fleet, 7)?, "15550000007|15550000007@s.whatsapp.net");
    assert_eq!(fleet.sql("SELECT count(*), count(DISTINCT phone) FROM wab_phones")?, "20|20");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "0");
    // By a poll, by wab, by the session of one tenant.
    for (id, phone) in [(1, CHANGED), (2, SHARED), (3, SHARED)] {
        fleet.sandbox.change(id, json!({"phone": phone})).await?;
    }
    if fleet.install == Install::Extension {
        fleet.sql(
            "SELECT * FROM wab_session_status('cust_01'); SELECT * FROM wab_session_status('cust_02')",
        )?;
        assert_eq!(phone_of(&fleet, 1)?, format!("{CHANGED}|{CHANGED}@s.whatsapp.net"));
        let open = "SELECT kind, subject FROM wab_drift_episodes WHERE ended_at IS NULL ORDER BY 1, 2";
        assert_eq!(fleet.sql(open)?, "phone_changed|1\nphone_changed|2");
    }
    fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL")?;
    let said = fleet.wab(&["drift", "--poll-status", "20"])?;
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(phone_of(&fleet, 3)?, format!("{SHARED}|{SHARED}@s.whatsapp.net"));
    fleet.sql(
        "ALTER TABLE tenants ADD phone text; UPDATE tenants SET phone = '+1 (555) 000-00' || right(id, 2);
         UPDATE tenants SET phone = '+49 30 1234567' WHERE id = 'cust_04'",
    )?;
    fleet.fleet_yaml(
        &world::YAML
            .replace("active' }", "active', phone: phone }")
            .replace("50 }", "50, silent_after: 1h }"),
    )?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{said:?}");
    fleet.sql(
        "UPDATE wab_bridges SET status_since = now() - interval '2 hours';
         SELECT wab_ingest_event(t.id, '{\"event\": \"message\"}') FROM tenants t WHERE t.id <> 'cust_05'",
    )?;
    fleet.observe().await?;
    let found = fleet.sql("SELECT kind, bridge_id, stored, observed FROM wab_drift ORDER BY 1, 2")?;
    let expected = "phone_changed|1|...0001|...0123\nphone_changed|2|...0002|...0456\nphone_changed|3|...0003|...0456\n\
                    phone_shared|2||...0456\nphone_shared|3||...0456\n\
                    phone_unexpected|1|...0001|...0123\nphone_unexpected|2|...0002|...0456\nphone_unexpected|3|...0003|...0456\n\
                    phone_unexpected|4|...4567|...0004\nsilent|5||";
    assert_eq!(found, expected);
    let kinds: BTreeSet<&str> = found.lines().filter_map(|row| row.split('|').next()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), KINDS);

    // A role that may only read sees the same drift, by SQL and by wab, and no number.
    fleet.sql(&recipe()?)?;
    fleet.sql(
        "CREATE ROLE support LOGIN; GRANT wab_reader TO support; GRANT TEMPORARY ON DATABASE app TO support",
    )?;
    let seen = fleet.sql("SET ROLE support; SELECT kind, bridge_id FROM wab_drift ORDER BY 1, 2")?;
    assert_eq!(seen, fleet.sql("SELECT kind, bridge_id FROM wab_drift ORDER BY 1, 2")?);
    for table in ["wab_phones", "_wab_phone_key"] {
        let (code, message) = fleet.sql_error(&format!("SET ROLE support; SELECT * FROM {table}"))?;
        assert_eq!(code, "42501", "{message}");
        fleet.sql(&format!("SET ROLE wab_operator; SELECT * FROM {table}"))?;
    }
    let mut everything = fleet.sql("SET ROLE support; SELECT d::text FROM wab_drift d UNION ALL SELECT e::text FROM wab_drift_episodes e")?;
    for role in ["support", "postgres"] {
        let url = fleet.cluster.url(DATABASE).replace("user=postgres", &format!("user={role}"));
        let said = fleet.wab_on(&url, &["drift", "--json"])?;
        let drift: Value = serde_json::from_str(&said.stdout).with_context(|| format!("{said:?}"))?;
        let mut found: Vec<String> = drift["drift"]
            .as_array()
            .context("no drift")?
            .iter()
            .map(|row| format!("{}|{}", row["kind"].as_str().unwrap_or_default(), row["bridge_id"]))
            .collect();
        found.sort();
        assert_eq!(found.join("\n"), seen, "{role}");
        everything += &said.stdout;
    }
    // Also if the numbers are kept as hashes, which it may not see either, and fleet.yaml changes another setting.
    fleet.sql("UPDATE wab_policy SET phones = 'hash'")?;
    fleet.fleet_yaml("policy: { unmapped_after: 1s }\n")?;
    let said =
        fleet.wab_on(&fleet.cluster.url(DATABASE).replace("user=postgres", "user=support"), &["plan"])?;
    assert_eq!(said.code, 0, "{said:?}");
    everything += &said.stdout;
    for args in [&["plan", "--json"][..], &["plan"], &["status"], &["plan", "--format", "github"]] {
        let said = fleet.wab(args)?;
        everything += &format!("{}{}", said.stdout, said.stderr);
    }
    everything += &fleet.cluster.log()?;
    for number in [CHANGED, SHARED, "15550000007", "493012"] {
        assert!(!everything.contains(number), "{number} is shown in: {everything}");
    }
    Ok(())
}
