//! Tests several databases on one account: each sees, pays for and touches only the bridges that match its customer_refs.

use anyhow::{Context, Result};
use e2e::fleet::{Fleet, Install};
use serde_json::{Value, json};

use crate::world;

/// The account of two databases: bridges 1 and 2 of production, 3 to 6 of staging, one of them without a customer_ref.
async fn account(sandbox_args: &[&str]) -> Result<Fleet> {
    let fleet = Fleet::start(sandbox_args)?;
    let status = ["connected", "connected", "connected", "disconnected", "qr", "connected"];
    let refs = [Some("prod-1"), Some("prod-2"), Some("stg-1"), Some("stg-2"), Some("stg-prod-3"), None];
    let bridges: Vec<_> = (1..)
        .zip(refs.iter().zip(status))
        .map(|(id, (customer_ref, status))| json!({"id": id, "customer_ref": customer_ref, "status": status}))
        .collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint, bridge_status text);
         INSERT INTO tenants VALUES ('prod-1', 'active', 1, 'paired'), ('prod-2', 'active', 2, 'paired')",
    )?;
    Ok(fleet)
}

/// Every number that counts bridges.
const NUMBERS: &str = "SELECT (SELECT count(*) FROM wab_fleet), (SELECT bridges FROM wab_fleet_summary),
    (SELECT monthly_cost FROM wab_fleet_summary), (SELECT max(bridges) FROM wab_costs), (SELECT bridges FROM wab_fleet_health),
    (SELECT bridges FROM wab_status), (SELECT count(DISTINCT bridge_id) FROM wab_status_history),
    (SELECT count(*) FROM wab_drift_episodes WHERE ended_at IS NULL)";

#[tokio::test]
async fn a_database_sees_only_the_bridges_of_its_customer_refs() -> Result<()> {
    let fleet = account(&["--list-status", "--speed", "60"]).await?;
    fleet.sql("SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')")?;
    fleet.observe().await?;
    assert_eq!(fleet.sql(NUMBERS)?, "6|6|18.00|6|6|6|6|4", "without customer_refs");

    // Bound: also the past of the others is gone, and later listings leave it so.
    fleet.sql("SELECT * FROM wab_bind_tenants(customer_refs => 'prod-.*')")?;
    for round in ["at once", "after a listing", "after an equal listing"] {
        assert_eq!(world::kinds(&fleet)?, [""; 0], "{round}");
        if round != "at once" {
            assert_eq!(fleet.sql(NUMBERS)?, "2|2|6.00|2|2|2|2|0", "{round}");
            assert_eq!(
                fleet.sql("SELECT outside, bridges, statuses FROM wab_observations ORDER BY observed_at DESC LIMIT 1")?,
                "4|2|2"
            );
        }
        fleet.observe().await?;
    }
    // The shrink guard compares this database's bridges with its own.
    fleet.sandbox.remove(1).await?;
    fleet.sandbox.remove(2).await?;
    let error = fleet.observe().await.unwrap_err().to_string();
    assert!(error.contains("0 bridges were listed; 2 of the 2 known ones are not among them"), "{error}");
    // Whose last bridge goes has an empty fleet, and not an empty account.
    fleet.sql("DELETE FROM wab_bridges")?;
    fleet.observe().await?;

    // Without customer_refs all of them are seen again; an empty branch takes the bridge that carries none.
    fleet.sql("SELECT * FROM wab_bind_tenants(customer_refs => 'prod-.*|')")?;
    fleet.observe().await?;
    assert_eq!(fleet.sql("SELECT bridge_id FROM wab_bridges")?, "6");
    fleet.sql("SELECT * FROM wab_bind_tenants(customer_refs => '')")?;
    fleet.observe().await?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges")?, "4");
    Ok(())
}

#[tokio::test]
async fn customer_refs_must_match_whole_ids_and_every_tenant() -> Result<()> {
    let fleet = account(&["--list-status"]).await?;
    fleet.sql("SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')")?;
    let bind = |pattern: &str| {
        fleet.sql_error(&format!("SELECT * FROM wab_bind_tenants(customer_refs => '{pattern}')"))
    };
    for pattern in ["[", "(?i)PROD-.*", "prod-.*)|(?:.*", "***=prod-1", "prod-1)|(prod-2"] {
        let (code, message) = bind(pattern)?;
        assert_eq!(code, "2201B", "{pattern}: {message}");
        assert!(message.contains("for instance: prod-.*"), "{message}");
    }
    for (pattern, left) in
        [("prod-", "'prod-1', 'prod-2'"), ("prod-1|stg-.*", "'prod-2'"), ("rod-.*", "'prod-1'")]
    {
        let (code, message) = bind(pattern)?;
        assert_eq!(code, "22023", "{pattern}: {message}");
        assert!(message.contains(left), "{message}");
    }
    assert_eq!(fleet.sql("SELECT customer_refs FROM wab_tenant_binding")?, "");
    // A tenant that is not wanted and holds no bridge may have any id.
    fleet.sql("INSERT INTO tenants VALUES ('old', 'cancelled'); SELECT * FROM wab_bind_tenants(customer_refs => 'prod-1|prod-2')")?;
    fleet.observe().await?;
    assert_eq!(world::kinds(&fleet)?, [""; 0]);

    // Tenants that come later are drift of a kind of their own; the views can be made again all the same.
    fleet.sql(
        "INSERT INTO tenants VALUES ('prod-10', 'active', NULL, NULL), ('stg-1', 'cancelled', 3, 'paired');
         INSERT INTO wab_declared VALUES ('stg-2', 'extra', 'alerts'); SELECT * FROM wab_bind_tenants()",
    )?;
    fleet.observe().await?;
    assert_eq!(
        fleet.sql("SELECT kind, severity, customer_ref, detail FROM wab_drift ORDER BY customer_ref")?,
        "outside|critical|prod-10|wanted, but its id does not match customer_refs, so its bridge would belong to another database\n\
         outside|critical|stg-1|not wanted, and its row holds bridge 3; but its id does not match customer_refs, so its bridge \
         would belong to another database\n\
         outside|critical|stg-2|declared extra: alerts; but its id does not match customer_refs, so its bridge would belong to \
         another database"
    );
    if fleet.install != Install::Extension {
        return Ok(());
    }
    // No call is made about a bridge of another database.
    fleet.cluster.expect_in_log(&["this bridge belongs to another database"]);
    fleet.sandbox.clear_ledger().await?;
    for call in [
        "wab_provision('prod-10')",
        "wab_provision('stg-2')",
        "wab_delete_instance(3, 'stg-1')",
        "wab_logout('stg-1')",
        "wab_pair('stg-1', '15550100')",
        "wab_qr('stg-1')",
        "wab_session_status('stg-1')",
    ] {
        let (code, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert!(
            code == "22023" && message.contains("this bridge belongs to another database"),
            "{call}: {message}"
        );
    }
    fleet.sql("SELECT wab_enqueue_provision('prod-10')")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(
        fleet.sql("SELECT outcome, last_error FROM wab_queue")?,
        "refused|this bridge belongs to another database"
    );
    assert_eq!(fleet.sandbox.ledger().await?, [json!(null); 0]);
    Ok(())
}

#[tokio::test]
async fn no_status_call_is_spent_on_a_bridge_of_another_database() -> Result<()> {
    let fleet = account(&["--speed", "60"]).await?;
    fleet.sql("SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', customer_refs => 'prod-.*')")?;
    if fleet.install == Install::Extension {
        fleet.sql("SELECT * FROM wab_reconcile()")?;
        assert_eq!(fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL; SELECT polled, remaining FROM wab_poll_status()")?, "2|0");
        assert_eq!(fleet.sql("SELECT pending_polls FROM wab_status")?, "0");
    }
    fleet.sql("UPDATE wab_bridges SET status_asked_at = NULL")?;
    fleet.fleet_yaml("tenants: { table: public.tenants, wanted: status = 'active' }\n")?;
    let said = fleet.wab(&["apply", "-y", "--poll-status", "100"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("2 of 2") || !said.stderr.contains("of 6"), "{}", said.stderr);
    let asked = fleet.sandbox.ledger().await?;
    let asked =
        asked.iter().filter_map(|call| call["path"].as_str()).filter(|path| path.contains("stg-")).count();
    assert_eq!(asked, 0);
    Ok(())
}

#[tokio::test]
async fn fleet_yaml_says_which_bridges_are_this_databases() -> Result<()> {
    let fleet = account(&["--list-status", "--speed", "60"]).await?;
    let yaml = |rest: &str| {
        fleet.fleet_yaml(&format!(
            "tenants: {{ table: public.tenants, wanted: status = 'active', customer_refs: prod-.* }}\n{rest}"
        ))
    };
    // Nothing is bound yet.
    yaml("policy: { min_observed: 3 }")?;
    let plan = |args: &[&str]| -> Result<(i32, Value)> {
        let said = fleet.wab(&[&["plan", "--json"], args].concat())?;
        Ok((said.code, serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?))
    };
    let (code, shown) = plan(&[])?;
    assert_eq!(code, 5, "{shown}");
    assert_eq!(
        shown["refusals"][0]["message"],
        "the provider listed 2 bridges of this database; policy.min_observed is 3"
    );
    assert_eq!((&shown["summary"]["bridges"], &shown["findings"]), (&json!(2), &json!([])));
    assert_eq!(shown["binding"]["after"]["customer_refs"], "prod-.*");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_tenant_binding")?, "0", "a plan binds nothing");
    yaml("")?;
    for (key, entry) in [
        ("extra", "tenant_id: stg-1, reason: r"),
        ("keep", "customer_ref: stg-1, reason: r"),
        ("remove", "customer_ref: stg-1, bridge_id: 3, reason: r"),
    ] {
        yaml(&format!("bridges: {{ {key}: [ {{ {entry} }} ] }}"))?;
        let said = fleet.wab(&["plan"])?;
        assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
        assert!(
            said.stderr.contains(&format!("bridges.{key}: stg-1 does not match tenants.customer_refs")),
            "{}",
            said.stderr
        );
    }
    yaml("")?;
    let applied = || -> Result<()> {
        let said = fleet.wab(&["apply", "-y"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        Ok(())
    };
    applied()?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges")?, "2");
    let said = fleet.wab(&["doctor"])?;
    assert!(said.stdout.contains("4 more listed bridges lie outside of customer_refs"), "{}", said.stdout);
    let said = fleet.wab(&["export"])?;
    assert!(
        said.stdout.contains("customer_refs: 'prod-.*'")
            || said.stdout.contains("customer_refs: \"prod-.*\""),
        "{}",
        said.stdout
    );

    // A tenant outside is a finding, and no step.
    fleet.sql("INSERT INTO tenants (id) VALUES ('stg-7')")?;
    let (code, shown) = plan(&[])?;
    assert_eq!(
        (code, &shown["steps"], &shown["findings"][0]["kind"]),
        (0, &json!([]), &json!("outside")),
        "{shown}"
    );
    fleet.sql("DELETE FROM tenants WHERE id = 'stg-7'")?;
    // Left out, it stays; none clears it, and the plan shows the bridges that come back.
    fleet.fleet_yaml("tenants: { table: public.tenants }")?;
    applied()?;
    fleet.fleet_yaml("tenants: { table: public.tenants, customer_refs: none }")?;
    let (_, shown) = plan(&[])?;
    assert_eq!(
        (&shown["summary"]["listed"], &shown["summary"]["findings"]["orphaned"]),
        (&json!(6), &json!(4)),
        "{shown}"
    );
    applied()?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges")?, "6");
    // A role that only reads makes the same plan in a copy.
    yaml("")?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql("CREATE ROLE auditor LOGIN IN ROLE wab_reader")?;
    let url = fleet.cluster.url(e2e::fleet::DATABASE).replace("user=postgres", "user=auditor");
    let said = fleet.wab_on(&url, &["plan", "--json"])?;
    let shown: Value = serde_json::from_str(&said.stdout).with_context(|| said.stderr.clone())?;
    assert_eq!((&shown["summary"]["bridges"], &shown["findings"]), (&json!(2), &json!([])), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_tenant_may_have_its_own_graces() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sandbox.change(1, json!({"status": "disconnected"})).await?;
    fleet.sandbox.change(2, json!({"status": "disconnected"})).await?;
    fleet.sandbox.change(3, json!({"status": "qr"})).await?;
    fleet.sandbox.change(4, json!({"status": "qr"})).await?;
    fleet.observe().await?;
    fleet.sql(
        "UPDATE wab_bridges SET status_since = now() - interval '10 min', unpaired_since = unpaired_since - interval '10 min';
         ALTER TABLE tenants ADD COLUMN plan text; UPDATE tenants SET plan = 'gold' WHERE id IN ('cust_01', 'cust_03')",
    )?;
    let drift = "SELECT kind, customer_ref FROM wab_drift WHERE kind IN ('disconnected', 'awaiting_scan') ORDER BY 1, 2";
    assert_eq!(fleet.sql(drift)?, "");
    let gold = "CASE plan WHEN ''gold'' THEN interval ''5 min'' END";
    fleet.sql(&format!(
        "SELECT * FROM wab_bind_tenants(disconnected_after => '{gold}', awaiting_scan_after => '{gold}')"
    ))?;
    assert_eq!(fleet.sql(drift)?, "awaiting_scan|cust_03\ndisconnected|cust_01");
    // It follows a renamed column, and 0 means at once.
    fleet.sql(
        "ALTER TABLE tenants RENAME COLUMN plan TO tier; SELECT * FROM wab_bind_tenants();
         UPDATE tenants SET tier = NULL WHERE id = 'cust_01'",
    )?;
    assert_eq!(fleet.sql(drift)?, "awaiting_scan|cust_03");
    fleet.sql("SELECT wab_unbind_tenants(); SELECT * FROM wab_bind_tenants()")?;
    assert_eq!(fleet.sql(drift)?, "awaiting_scan|cust_03");
    for (expression, code) in
        [("tier", "42804"), ("interval ''1 min'') OR (true", "42804"), ("sum(interval ''1 s'')", "42803")]
    {
        let (found, message) = fleet
            .sql_error(&format!("SELECT * FROM wab_bind_tenants(disconnected_after => '{expression}')"))?;
        assert_eq!(found, code, "{message}");
        assert!(
            message.contains("disconnected_after is not a valid SQL expression over public.tenants"),
            "{message}"
        );
    }
    // From fleet.yaml: shown in the plan, used by it, and cleared by none.
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active', disconnected_after: interval '0', awaiting_scan_after: none }",
    )?;
    let said = fleet.wab(&["plan"])?;
    assert!(
        said.stdout.contains("disconnected_after: ") && said.stdout.contains("→ interval '0'"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("→ none") && said.stdout.contains("disconnected"), "{}", said.stdout);
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql(drift)?, "disconnected|cust_01\ndisconnected|cust_02");
    assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);
    Ok(())
}
