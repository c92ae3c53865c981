//! Tests the provider's status words: an unmapped word hides no outage, and a new mapping holds at once.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use e2e::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world;

/// Twenty tenants; the provider has renamed `connected` to `Online` for three of them, and says `suspended` of another.
async fn renamed(install: Install) -> Result<Fleet> {
    let sandbox = Sandbox::start(&["--list-status", "--speed", "60"])?;
    let fleet = Fleet::installed(install, sandbox, &[])?;
    world::fill(&fleet).await?;
    for id in 1..=3 {
        fleet.sandbox.change(id, json!({"status": "Online"})).await?;
    }
    fleet.sandbox.change(4, json!({"status": "suspended"})).await?;
    fleet.fleet_yaml(world::YAML)?;
    Ok(fleet)
}

const STORED: &str = "SELECT string_agg(id || ' ' || bridge_status, ', ' ORDER BY id) FROM tenants WHERE bridge_status <> 'paired'";

#[tokio::test]
async fn an_unmapped_word_is_drift_and_no_row_goes_on_claiming_paired() -> Result<()> {
    for install in [Install::Extension, Install::SqlOnly] {
        let fleet = renamed(install).await?;
        let said = fleet.wab(&["drift", "--json"])?;
        let drift: Value = serde_json::from_str(&said.stdout)?;
        let rows = drift["drift"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).cloned().collect::<Vec<_>>();
        assert_eq!((of("unmapped_status").len(), of("status_drift").len(), said.code), (4, 4, 2), "{drift}");
        let detail = of("unmapped_status")[0]["detail"].as_str().unwrap_or_default().to_owned();
        for part in ["'Online'", "3", "wab_status_words"] {
            assert!(detail.contains(part), "{detail}");
        }
        assert_eq!(fleet.wab(&["drift", "--fail-on", "unmapped_status"])?.code, 2);
        let said = fleet.wab(&["apply", "-y"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert_eq!(fleet.sql(STORED)?, "cust_01 unknown, cust_02 unknown, cust_03 unknown, cust_04 unknown");
        let said = fleet.wab(&["plan", "--json"])?;
        let plan: Value = serde_json::from_str(&said.stdout)?;
        assert_eq!(
            (&plan["steps"], plan["findings"].as_array().map(Vec::len)),
            (&json!([]), Some(4)),
            "{plan}"
        );
        let said = fleet.wab(&["doctor"])?;
        assert!(said.stdout.contains("\"Online\" (3), \"suspended\" (1)"), "{}", said.stdout);
        assert!(!said.stdout.contains("poll"), "polling cannot help: {}", said.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn a_reconcile_writes_unknown_for_an_unmapped_word() -> Result<()> {
    let fleet = renamed(Install::Extension).await?;
    let kinds = "SELECT kind, count(*) FROM wab_reconcile() GROUP BY 1";
    assert_eq!(fleet.sql(kinds)?, "unmapped_status|4");
    assert_eq!(fleet.sql(STORED)?, "cust_01 unknown, cust_02 unknown, cust_03 unknown, cust_04 unknown");
    assert_eq!(fleet.sql(kinds)?, "unmapped_status|4");
    Ok(())
}

#[tokio::test]
async fn a_new_word_holds_at_once_and_the_history_knows_it() -> Result<()> {
    let fleet = renamed(Install::from_environment()?).await?;
    fleet.observe().await?;
    fleet.sql("INSERT INTO wab_status_words VALUES ('ON_LINE', 'paired'), ('suspended', 'disconnected')")?;
    assert_eq!(
        fleet.sql("SELECT bridge_id, status FROM wab_bridges WHERE bridge_id < 6 ORDER BY 1")?,
        "1|paired\n2|paired\n3|paired\n4|disconnected\n5|paired"
    );
    assert_eq!(
        fleet.sql("SELECT bridge_id, was, became FROM wab_bridge_events WHERE event = 'status' ORDER BY at DESC, 1 LIMIT 4")?,
        "1|unknown|paired\n2|unknown|paired\n3|unknown|paired\n4|unknown|disconnected"
    );
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_unmapped_words")?, "0");
    // The listing is still the stored one, so that the next refresh changes nothing.
    fleet.observe().await?;
    assert_eq!(fleet.sql("SELECT changed FROM wab_observations ORDER BY observed_at DESC LIMIT 1")?, "0");
    Ok(())
}

#[tokio::test]
async fn fleet_yaml_maps_words_and_sets_graces() -> Result<()> {
    let fleet = renamed(Install::from_environment()?).await?;
    let yaml = |rest: &str| {
        fleet.fleet_yaml(&format!("tenants: {{ table: public.tenants, wanted: status = 'active' }}\n{rest}"))
    };
    yaml(
        "bridges: { status_words: [ { word: online, status: paired } ] }\npolicy: { unmapped_after: 1h }\n",
    )?;
    let before = world::observed(&fleet)?;
    let said = fleet.wab(&["plan", "--json", "--out", "plan"])?;
    let plan: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(
        plan["settings"],
        json!([
            { "name": "policy.unmapped_after", "before": "0s", "after": "1h" },
            { "name": "bridges.status_words online", "before": null, "after": "paired" }
        ]),
        "{plan}"
    );
    // The plan has evaluated both: three bridges are paired as before, and the fourth word is within its grace.
    assert_eq!((plan["steps"].as_array().map(Vec::len), &plan["findings"]), (Some(1), &json!([])), "{plan}");
    assert_eq!(world::observed(&fleet)?, before, "a plan must change nothing");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_status_words WHERE NOT built_in")?, "0");
    let said = fleet.wab(&["plan"])?;
    assert!(said.stdout.contains("policy.unmapped_after: 0s → 1h"), "{}", said.stdout);
    assert!(said.stdout.contains("bridges.status_words online: none → paired"), "{}", said.stdout);

    let said = fleet.wab(&["apply", "plan"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT word, status FROM wab_status_words WHERE NOT built_in")?, "online|paired");
    assert_eq!(fleet.sql("SELECT unmapped_after FROM wab_policy")?, "01:00:00");
    assert_eq!(fleet.sql(STORED)?, "cust_04 unknown");
    assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);

    // Without the keys, what is stored stays; an empty list removes the words, and the statuses follow.
    yaml("")?;
    assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);
    yaml("bridges: { status_words: [] }\npolicy: { unmapped_after: 0s }\n")?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_status_words WHERE NOT built_in")?, "0");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift WHERE kind = 'unmapped_status'")?, "4");
    Ok(())
}

#[tokio::test]
async fn everybody_may_normalize_and_only_an_operator_may_map() -> Result<()> {
    let fleet = renamed(Install::Extension).await?;
    fleet.sql("CREATE ROLE app")?;
    assert_eq!(fleet.sql("SET ROLE app; SELECT wab_normalize_status('CLOSED')")?, "disconnected");
    let denied = "SET ROLE app; INSERT INTO wab_status_words VALUES ('online', 'paired')";
    assert_eq!(fleet.sql_error(denied)?.0, "42501");
    Ok(())
}

#[tokio::test]
async fn a_mapping_that_is_taken_back_leaves_no_outage() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet
        .sandbox
        .add(json!([{"customer_ref": "new", "status": "qr"}, {"customer_ref": "newer", "status": "booting"}]))
        .await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('new'), ('newer')")?;
    fleet.fleet_yaml(world::YAML)?;
    assert_eq!(fleet.wab(&["apply", "-y"])?.code, 0);
    fleet.sql(
        "UPDATE wab_policy SET disconnected_after = '0', awaiting_scan_after = '0';
         UPDATE wab_status_words SET status = 'paired' WHERE word = 'qr'; DELETE FROM wab_status_words WHERE word = 'qr';
         INSERT INTO wab_status_words VALUES ('booting', 'paired');
         UPDATE wab_status_words SET status = 'awaiting_scan' WHERE word = 'booting'",
    )?;
    let kinds = "SELECT kind, customer_ref FROM wab_drift WHERE customer_ref LIKE 'new%' AND kind <> 'status_drift' ORDER BY 2";
    assert_eq!(fleet.sql(kinds)?, "awaiting_scan|new\nawaiting_scan|newer");
    Ok(())
}
