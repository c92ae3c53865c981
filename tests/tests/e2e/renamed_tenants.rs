//! Tests tenants whose ids changed, and ids that went to new tenants: no second bridge is paid for by mistake, and the plan
//! tells whose session a tenant takes over.

use anyhow::Result;
use e2e::fleet::Fleet;
use serde_json::{Value, json};

use crate::world;

fn code(fleet: &Fleet, args: &[&str], code: i32) -> Result<String> {
    let said = fleet.wab(args)?;
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, code, "{args:?}: {text}");
    Ok(text)
}

#[tokio::test]
async fn a_renamed_tenant_gets_a_second_bridge_only_when_confirmed() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("UPDATE tenants SET id = 'acme' WHERE id = 'cust_08'")?;
    for args in [&["plan"][..], &["apply", "-y"]] {
        let said = code(&fleet, args, 5)?;
        assert!(
            said.contains("bridge 8, which its row holds, is live under the customer_ref cust_08"),
            "{said}"
        );
        assert!(
            said.contains("acme holds bridge 8 of cust_08") && said.contains("policy.renamed_tenants: 1"),
            "{said}"
        );
    }
    let json: Value = serde_json::from_str(&fleet.wab(&["plan", "--json"])?.stdout)?;
    assert_eq!(json["refusals"][0]["guard"], "renamed_tenants");
    assert_eq!(json["steps"][0]["renamed_from"], "cust_08", "{}", json["steps"]);
    // The others can go on.
    code(&fleet, &["apply", "-y", "--exclude", "acme"], 0)?;
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    // The old id again: the bridge is kept.
    fleet.sql("UPDATE tenants SET id = 'cust_08' WHERE id = 'acme'")?;
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    // Confirmed: the tenant gets another bridge, and the old one is an orphan.
    fleet.sql("UPDATE tenants SET id = 'acme' WHERE id = 'cust_08'")?;
    fleet.fleet_yaml(&world::YAML.replace("max_creates: 50", "max_creates: 50, renamed_tenants: 1"))?;
    code(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'acme'")?, "21");
    assert_eq!(fleet.sql("SELECT kind, bridge_id FROM wab_drift")?, "orphaned|8");
    Ok(())
}

#[tokio::test]
async fn sql_refuses_a_second_bridge_for_a_renamed_tenant() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE tenants SET id = 'acme' WHERE id = 'cust_08'")?;
    let (state, message) = fleet.sql_error("SELECT * FROM wab_provision('acme')")?;
    assert_eq!(state, "55000", "{message}");
    for part in [
        "bridge 8 carries the customer_ref cust_08",
        "give the tenant its old id back",
        "bridge_id to null first",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    fleet.sql("SELECT wab_enqueue_provision('acme')")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(
        fleet.sql("SELECT outcome, last_error FROM wab_queue")?,
        "refused|the row of this tenant holds a bridge that is live under another customer_ref"
    );
    assert_eq!(fleet.sandbox.calls("POST").await?, 0);
    // Confirmed by clearing the row.
    fleet.sql("UPDATE tenants SET bridge_id = NULL WHERE id = 'acme'")?;
    assert_eq!(fleet.sql("SELECT bridge_id, outcome FROM wab_provision('acme')")?, "21|created");
    // A bridge that is there under the new id is linked, and no other is made.
    fleet.sql("UPDATE tenants SET id = 'zeta' WHERE id = 'cust_09'")?;
    fleet.sandbox.add_one("zeta", "qr").await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    assert_eq!(fleet.sql("SELECT bridge_id, outcome FROM wab_provision('zeta')")?, "22|existing");
    Ok(())
}

#[tokio::test]
async fn the_plan_tells_that_a_new_tenant_takes_over_a_paired_session() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql("DELETE FROM tenants WHERE id IN ('cust_08', 'cust_09')")?;
    fleet.sandbox.change(9, json!({"status": "qr"})).await?;
    fleet.observe().await?;
    fleet.sql("INSERT INTO tenants (id) VALUES ('cust_08'), ('cust_09')")?;
    let said = code(&fleet, &["plan"], 0)?;
    let of = |bridge: &str| {
        let line = said.lines().find(|line| line.contains(&format!("bridge {bridge} ")));
        line.unwrap_or_default().to_owned()
    };
    assert!(of("8").contains("bridge 8 is paired already, and was created 20"), "{said}");
    assert!(of("8").contains("UTC: the tenant takes over its session"), "{said}");
    assert!(!of("9").contains("takes over"), "nobody paired it: {said}");
    code(&fleet, &["apply", "-y"], 0)?;
    code(&fleet, &["plan", "--detailed-exitcode"], 0)?;
    Ok(())
}
