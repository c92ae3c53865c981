//! Tests the graces: a difference that passes is no drift, and one that lasts is.

use anyhow::Result;
use serde_json::{Value, json};

use crate::world;

#[tokio::test]
async fn one_listing_with_restarting_is_no_drift_and_a_container_that_stays_down_is() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    for id in 1..=20 {
        fleet.sandbox.change(id, json!({"state": "restarting"})).await?;
    }
    fleet.observe().await?;
    assert_eq!(world::kinds(&fleet)?, [""; 0], "one listing");
    for id in 1..=19 {
        fleet.sandbox.change(id, json!({"state": "running"})).await?;
    }
    fleet.observe().await?;
    fleet.sql("UPDATE wab_bridges SET state_since = state_since - interval '6 minutes'")?;
    assert_eq!(
        fleet.sql(
            "SELECT kind, severity, bridge_id, observed, since < now() - interval '5 minutes' FROM wab_drift"
        )?,
        "state|critical|20|restarting|t"
    );
    // The next listing says the same, so that its state goes on since then.
    fleet.observe().await?;
    assert_eq!(world::kinds(&fleet)?, ["state"]);
    Ok(())
}

#[tokio::test]
async fn fleet_yaml_sets_every_grace_and_the_plan_shows_and_uses_it() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.change(1, json!({"state": "restarting"})).await?;
    fleet.sandbox.change(2, json!({"status": "disconnected"})).await?;
    fleet.sandbox.add(json!([{"id": 99, "customer_ref": "new", "status": "qr"}])).await?;
    fleet.sql("INSERT INTO tenants (id, bridge_id, bridge_status) VALUES ('new', 99, 'awaiting_scan')")?;
    fleet.sandbox.change(4, json!({"status": "syncing"})).await?;
    let graces = ["disconnected_after", "awaiting_scan_after", "state_after", "unmapped_after"];
    for (value, kinds) in
        [("0s", &["awaiting_scan", "disconnected", "state", "unmapped_status"][..]), ("2days", &[])]
    {
        let policy: Vec<_> = graces.iter().map(|name| format!("{name}: {value}")).collect();
        fleet.fleet_yaml(&format!(
            "tenants: {{ table: public.tenants, wanted: status = 'active' }}\npolicy: {{ {} }}\n",
            policy.join(", ")
        ))?;
        let said = fleet.wab(&["plan", "--json"])?;
        let plan: Value = serde_json::from_str(&said.stdout)?;
        let findings = plan["findings"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = findings.iter().filter_map(|finding| finding["kind"].as_str()).collect();
        assert_eq!(found, kinds, "{value}: {plan}");
        let mut set: Vec<_> =
            plan["settings"].as_array().into_iter().flatten().map(|change| change["name"].clone()).collect();
        set.sort_by_key(Value::to_string);
        let stored = ["awaiting_scan_after", "disconnected_after", "state_after", "unmapped_after"];
        let expected: Vec<_> = stored
            .iter()
            .filter(|name| value != "0s" || **name != "unmapped_after")
            .map(|name| json!(format!("policy.{name}")))
            .collect();
        assert_eq!(set, expected, "{value}: {plan}");
        let said = fleet.wab(&["apply", "-y"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert_eq!(world::kinds(&fleet)?, kinds, "{value}");
        assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);
    }
    // The other values of wab_policy: shown as fleet.yaml writes them, used by the same plan, and then stored.
    fleet.fleet_yaml("policy: { price_per_bridge: 4.5, max_shrink: 12.5%, max_gap: 90m }\n")?;
    let said = fleet.wab(&["plan", "--json"])?;
    let plan: Value = serde_json::from_str(&said.stdout)?;
    let mut set: Vec<_> = plan["settings"].as_array().into_iter().flatten().map(Value::to_string).collect();
    set.sort();
    assert_eq!(
        set,
        [
            r#"{"after":"12.5%","before":"20%","name":"policy.max_shrink"}"#,
            r#"{"after":"1h 30m","before":"1h","name":"policy.max_gap"}"#,
            r#"{"after":"4.50","before":"3.00","name":"policy.price_per_bridge"}"#,
        ]
    );
    assert_eq!(plan["monthly_cost"]["before"], json!(94.5));
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        fleet.sql("SELECT price_per_bridge, max_shrink, max_gap FROM wab_policy")?,
        "4.50|0.125|01:30:00"
    );
    assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);
    for wrong in [
        "price_per_bridge: -1",
        "price_per_bridge: 3.001",
        "max_shrink: 0.2",
        "max_shrink: 101%",
        "max_gap: 5",
        "max_gap: 0s",
    ] {
        fleet.fleet_yaml(&format!("policy: {{ {wrong} }}\n"))?;
        assert_eq!(fleet.wab(&["validate"])?.code, 1, "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn a_provision_that_returns_another_state_begins_it() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let since = "SELECT state, state_since > first_seen_at FROM wab_bridges WHERE bridge_id = 1";
    let record = |state: &str| fleet.sql(&format!("SELECT _wab_record_provision('cust_01', 1, '{state}')"));
    record("running")?;
    assert_eq!(fleet.sql(since)?, "running|f");
    record("restarting")?;
    assert_eq!(fleet.sql(since)?, "restarting|t");
    fleet.sql("SELECT _wab_record_provision('cust_99', 99, 'creating')")?;
    assert_eq!(fleet.sql("SELECT state_since = first_seen_at FROM wab_bridges WHERE bridge_id = 99")?, "t");
    Ok(())
}
