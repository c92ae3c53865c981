//! Tests that what `wab apply` writes on tenant rows is compared with what was asked.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process::Said;
use serde_json::{Value, json};

mod binding;
mod in_sql;

/// A fleet of six paired bridges, `t1` … `t6` with the ids 1 … 6.
async fn six() -> Result<Fleet> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    let bridges: Vec<_> =
        (1..=6).map(|n| json!({"id": n, "customer_ref": format!("t{n}"), "status": "connected"})).collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.fleet_yaml("tenants: { table: tenants }\n")?;
    Ok(fleet)
}

/// An ordinary tenants table with these ids, bound.
fn bind(fleet: &Fleet, ids: &str) -> Result<()> {
    fleet
        .sql(&format!(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT unnest('{ids}'::text[]);
         SELECT * FROM wab_bind_tenants('tenants')"
        ))
        .map(drop)
}

/// A trigger on tenants, before UPDATE, with this body.
fn before_update(body: &str) -> String {
    format!(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
         CREATE TRIGGER tenants_audit BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION keep();"
    )
}

/// Applies; returns the exit code and the failed steps as `kind customer_ref: detail`.
fn apply(fleet: &Fleet) -> Result<(i32, Vec<String>)> {
    failed(&fleet.wab(&["apply", "--auto-approve", "--json"])?)
}

fn failed(said: &Said) -> Result<(i32, Vec<String>)> {
    let report: Value =
        serde_json::from_str(&said.stdout).with_context(|| format!("{}{}", said.stdout, said.stderr))?;
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let failed = report["run"]["steps"].as_array().into_iter().flatten();
    let failed = failed.filter(|step| step["outcome"] != "done").map(|step| {
        format!("{} {}: {}", text(step, "kind"), text(step, "customer_ref"), text(step, "detail"))
    });
    Ok((said.code, failed.collect()))
}

/// The steps of the plan as `kind customer_ref`.
fn planned(fleet: &Fleet) -> Result<Vec<String>> {
    let said = fleet.wab(&["plan", "--format", "json"])?;
    let plan: Value =
        serde_json::from_str(&said.stdout).with_context(|| format!("{}{}", said.stdout, said.stderr))?;
    let steps = plan["steps"].as_array().into_iter().flatten();
    let steps = steps.map(|step| {
        format!(
            "{} {}",
            step["kind"].as_str().unwrap_or_default(),
            step["customer_ref"].as_str().unwrap_or_default()
        )
    });
    Ok(steps.collect())
}

fn rows(fleet: &Fleet) -> Result<String> {
    fleet
        .sql("SELECT string_agg(concat_ws(' ', id, bridge_id, bridge_status), ', ' ORDER BY id) FROM tenants")
}

#[tokio::test]
async fn apply_fails_the_steps_whose_rows_a_trigger_kept_and_writes_the_others() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,t2,t3,t4}")?;
    fleet.sql(&before_update(
        "IF OLD.id = 't2' THEN RETURN NULL; END IF; IF OLD.id = 't3' THEN NEW := OLD; END IF;",
    ))?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!(code, 4, "{failed:?}");
    let kept = "the row of public.tenants was not changed: a trigger, a rule or a row-level security policy kept it \
                (triggers: tenants_audit)";
    let expected = ["link t2", "link t3", "set_status t2", "set_status t3"];
    assert_eq!(failed, expected.map(|step| format!("{step}: {kept}")), "{failed:?}");
    assert_eq!(rows(&fleet)?, "t1 1 paired, t2, t3, t4 4 paired");
    assert_eq!(planned(&fleet)?, expected);
    fleet.sql("DROP TRIGGER tenants_audit ON tenants")?;
    assert_eq!(apply(&fleet)?, (0, vec![]));
    assert!(planned(&fleet)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn apply_sees_an_after_trigger_that_puts_the_old_value_back() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,t2}")?;
    fleet.sql(
        "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE tenants SET bridge_id = OLD.bridge_id WHERE id = 't2' AND id = NEW.id AND bridge_id IS NOT NULL;
             RETURN NULL; END $$;
         CREATE TRIGGER puts_back AFTER UPDATE OF bridge_id ON tenants FOR EACH ROW EXECUTE FUNCTION back()",
    )?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (4, 1), "{failed:?}");
    assert!(failed[0].starts_with("link t2: ") && failed[0].contains("puts_back"), "{failed:?}");
    assert_eq!(planned(&fleet)?, ["link t2"]);
    Ok(())
}

#[tokio::test]
async fn apply_fails_the_steps_of_a_table_with_a_rule_instead() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,t2}")?;
    fleet.sql("CREATE RULE frozen AS ON UPDATE TO tenants DO INSTEAD NOTHING")?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (4, 4), "{failed:?}");
    assert!(failed.iter().all(|step| step.contains("(rules: frozen)")), "{failed:?}");
    assert_eq!(rows(&fleet)?, "t1, t2");
    Ok(())
}

#[tokio::test]
async fn apply_writes_nothing_as_a_role_whose_writes_a_policy_filters() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,t2}")?;
    fleet.sql(
        "CREATE ROLE runner LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO runner;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO runner;
         ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
         CREATE POLICY everybody_reads ON tenants FOR SELECT USING (true);
         CREATE POLICY one_is_written ON tenants FOR UPDATE USING (id = 't1')",
    )?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=runner");
    let said = fleet.wab_on(&url, &["apply", "--auto-approve"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("row-level security hides rows"), "{}", said.stderr);
    assert_eq!(rows(&fleet)?, "t1, t2");
    // The statement itself, as a function that does not check all rows beforehand.
    let update = "SET ROLE runner; SELECT _wab_update_rows('{t1,t2}', '{1,2}', NULL)";
    fleet.sql(update)?;
    assert_eq!(rows(&fleet)?, "t1 1, t2", "a policy may spare rows silently, so rows are read back");
    Ok(())
}

#[tokio::test]
async fn apply_names_the_constraint_or_the_trigger_that_refused_a_row() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,t2,t3}")?;
    fleet.sql(&before_update("IF OLD.id = 't3' THEN PERFORM FROM nowhere; END IF;"))?;
    fleet.sql("ALTER TABLE tenants ADD CONSTRAINT never_two CHECK (bridge_id <> 2)")?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!(code, 4, "{failed:?}");
    for part in [
        "link t2: cannot write bridge_id = 2 on the row of public.tenants: new row for relation \"tenants\" violates check constraint \"never_two\"",
        "link t3: cannot write bridge_id = 3 on the row of public.tenants: relation \"nowhere\" does not exist, in ",
        "set_status t3: cannot write bridge_status = paired on the row of public.tenants: relation \"nowhere\"",
    ] {
        assert!(failed.iter().any(|step| step.starts_with(part)), "{part}: {failed:?}");
    }
    assert_eq!((failed.len(), rows(&fleet)?), (3, "t1 1 paired, t2 paired, t3".to_owned()), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn apply_writes_a_table_whose_triggers_use_unqualified_names() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(
        "ALTER DATABASE app SET search_path = shop, public;
         CREATE SCHEMA shop; CREATE TABLE shop.audit_log (entry text);
         CREATE FUNCTION shop.noted(text) RETURNS text LANGUAGE sql AS $$ SELECT 'noted ' || $1 $$;
         CREATE TABLE shop.tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO shop.tenants VALUES ('t1'), ('t2');
         CREATE FUNCTION shop.audit() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO audit_log SELECT noted(id) FROM tenants WHERE id = NEW.id; RETURN NEW; END $$;
         CREATE TRIGGER tenants_audit BEFORE UPDATE ON shop.tenants FOR EACH ROW EXECUTE FUNCTION shop.audit()",
    )?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (0, 0), "{failed:?}");
    assert_eq!(rows(&fleet)?, "t1 1 paired, t2 2 paired");
    assert_eq!(
        fleet.sql("SELECT count(*), min(entry) FROM audit_log")?,
        "4|noted t1",
        "one entry per row and step"
    );
    assert!(planned(&fleet)?.is_empty());
    Ok(())
}

/// Functions with unqualified names in their bodies, in the schema shop, and a table with such expressions bound in it.
const UNQUALIFIED: &str = "
    ALTER DATABASE app SET search_path = shop, public; SET search_path = shop, public;
    CREATE SCHEMA shop; CREATE TABLE paying (id text); INSERT INTO paying VALUES ('t1'), ('t2');
    CREATE FUNCTION is_paying(tenant text) RETURNS boolean LANGUAGE sql STABLE AS
        $$ SELECT EXISTS (SELECT FROM paying p WHERE p.id = tenant) $$;
    CREATE FUNCTION hook(tenant text) RETURNS text LANGUAGE plpgsql STRICT AS
        $$ BEGIN RETURN (SELECT 'https://a.example/' || max(p.id) FROM paying p WHERE p.id = tenant); END $$;
    CREATE TABLE shop.tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);";

#[tokio::test]
async fn apply_evaluates_the_expressions_under_the_path_they_were_bound_in() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(&format!(
        "{UNQUALIFIED} INSERT INTO tenants VALUES ('t1', 1), ('t3', 3);
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'is_paying(id)', webhook_url => 'hook(id)')"
    ))?;
    fleet.observe().await?;
    fleet.fleet_yaml("tenants: { table: tenants, wanted: is_paying(id) }\nbridges: { remove: [ { customer_ref: t3, bridge_id: 3, reason: left } ] }\npolicy: { max_deletes: 1 }\n")?;
    for verb in [&["plan"][..], &["drift"], &["drift", "--stored"], &["status"], &["export"], &["doctor"]] {
        let said = fleet.wab(verb)?;
        assert!([0, 2].contains(&said.code), "{verb:?}: {}{}", said.stdout, said.stderr);
    }
    for call in ["_wab_drift_rows()", "_wab_record_drift()", "_wab_wanted_webhook_url('t1')", "wab_summary()"]
    {
        let said =
            fleet.cluster.psql(DATABASE, &format!("SET search_path = public; SELECT * FROM {call}"))?;
        assert!(!said.stdout.is_empty() && said.stderr.is_empty(), "{call}: {}", said.stderr);
        assert_ne!(said.stdout.trim(), "|||||||", "{call}");
    }
    // The application's role has another search_path.
    fleet.sql("INSERT INTO tenants VALUES ('t2')")?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (0, 0), "{failed:?}");
    assert_eq!(rows(&fleet)?, "t1 1 paired, t2 2 paired, t3");
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 1);
    Ok(())
}

#[tokio::test]
async fn apply_exchanges_unique_bridge_ids() -> Result<()> {
    for column in ["bigint UNIQUE", "bigint NOT NULL UNIQUE", "bigint UNIQUE DEFERRABLE INITIALLY DEFERRED"] {
        let fleet = six().await?;
        fleet.sql(&format!(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id {column}, bridge_status text DEFAULT 'paired', active boolean DEFAULT true);
             INSERT INTO tenants VALUES ('t1', 2), ('t2', 1), ('t3', 4), ('t4', 5), ('t5', 3);
             SELECT * FROM wab_bind_tenants('tenants')"
        ))?;
        let (code, failed) = apply(&fleet)?;
        assert_eq!((code, failed.len()), (0, 0), "{column}: {failed:?}");
        assert_eq!(rows(&fleet)?, "t1 1 paired, t2 2 paired, t3 3 paired, t4 4 paired, t5 5 paired");
        assert!(planned(&fleet)?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn apply_names_the_tenant_whose_row_holds_the_bridge() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint UNIQUE, bridge_status text DEFAULT 'paired', active boolean DEFAULT true);
         INSERT INTO tenants VALUES ('t1', 2), ('t2', 1), ('t3', 5), ('t5', 6); INSERT INTO tenants VALUES ('gone', 3, NULL, false);
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'active')",
    )?;
    fleet.fleet_yaml("tenants: { table: tenants, wanted: active }\n")?;
    fleet.sql(&before_update("IF OLD.id = 'gone' THEN RETURN NULL; END IF;"))?;
    let (code, mut failed) = apply(&fleet)?;
    failed.sort();
    assert_eq!((code, failed.len()), (4, 3), "{failed:?}");
    assert!(failed[0].starts_with("link t3: bridge 3 is held by the row of tenant gone: "), "{failed:?}");
    assert!(failed[1].starts_with("link t5: bridge 5 is held by the row of tenant t3: "), "{failed:?}");
    let written = rows(&fleet)?;
    assert!(written.contains("t1 1 paired, t2 2 paired"), "the exchanged ones are written: {written}");
    assert!(failed[2].starts_with("unlink gone: "), "{failed:?}");
    fleet.sql("DROP TRIGGER tenants_audit ON tenants")?;
    assert_eq!(apply(&fleet)?, (0, vec![]));
    assert!(planned(&fleet)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn apply_goes_on_after_any_number_of_refused_rows() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{a1,a2,a3,a4,a5,a6,a7,a8,b1,b2}")?;
    fleet.sql(&before_update("IF OLD.id LIKE 'a%' THEN RETURN NULL; END IF;"))?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (4, 8), "{failed:?}");
    assert_eq!(rows(&fleet)?, "a1, a2, a3, a4, a5, a6, a7, a8, b1 7 awaiting_scan, b2 8 awaiting_scan");
    Ok(())
}

#[tokio::test]
async fn apply_makes_no_bridge_for_a_row_that_cannot_take_it() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{t1,new1,new2}")?;
    fleet.sql(&before_update("IF OLD.id = 'new1' THEN RAISE 'new1 is frozen'; END IF;"))?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (4, 1), "{failed:?}");
    assert!(failed[0].starts_with("provision new1: no call was made: "), "{failed:?}");
    assert!(failed[0].contains("new1 is frozen"), "{failed:?}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 1, "new2 gets its bridge");
    assert_eq!(planned(&fleet)?, ["provision new1"]);
    Ok(())
}

/// A trigger that keeps a row only once its bridge is recorded, so that the trial before the call does not see it.
fn keeps_once_recorded() -> String {
    before_update(
        "IF EXISTS (SELECT FROM wab_bridges b WHERE b.customer_ref = OLD.id) THEN RETURN NULL; END IF;",
    )
}

#[tokio::test]
async fn apply_records_a_bridge_whose_row_was_kept_and_fails_the_step() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{new1}")?;
    fleet.sql(&keeps_once_recorded())?;
    let (code, failed) = apply(&fleet)?;
    assert_eq!((code, failed.len()), (4, 1), "{failed:?}");
    assert!(
        failed[0].contains("provisioned as bridge 7 and recorded in wab_bridges, but: the row of"),
        "{failed:?}"
    );
    assert_eq!(fleet.sql("SELECT customer_ref FROM wab_bridges WHERE bridge_id = 7")?, "new1");
    assert_eq!(planned(&fleet)?, ["link new1", "set_status new1"]);
    Ok(())
}
