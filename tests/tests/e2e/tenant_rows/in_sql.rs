//! Tests that the functions of the extension compare what they write on tenant rows with what was asked.

use anyhow::Result;
use e2e::fleet::DATABASE;

use super::{UNQUALIFIED, before_update, bind, keeps_once_recorded, rows, six};

#[tokio::test]
async fn a_row_that_cannot_take_its_bridge_is_refused_before_the_call() -> Result<()> {
    let fleet = six().await?;
    bind(&fleet, "{new1,new2}")?;
    fleet.sql(&before_update("IF OLD.id = 'new1' THEN RAISE 'new1 is frozen'; END IF;"))?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_provision('new1')")?;
    assert_eq!(code, "55000", "{message}");
    assert!(message.contains("new1 is frozen") && message.contains("Nothing was sent"), "{message}");
    fleet.sql("SELECT wab_enqueue_provision('new1'); SELECT wab_enqueue_provision('new2')")?;
    let (code, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert_eq!(code, "55000", "{message}");
    assert_eq!(fleet.sandbox.calls("POST").await?, 1, "only new2 gets a bridge");
    let entries =
        "SELECT customer_ref, outcome, last_error LIKE '%new1 is frozen%' FROM wab_queue ORDER BY 1";
    assert_eq!(fleet.sql(entries)?, "new1||t\nnew2|provisioned|");
    Ok(())
}

#[tokio::test]
async fn a_bridge_whose_row_was_kept_is_recorded_and_no_success() -> Result<()> {
    let fleet = six().await?;
    fleet.cluster.expect_in_log(&["of the tenant rows could not be written"]);
    bind(&fleet, "{new1,new2}")?;
    fleet.sql(&keeps_once_recorded())?;
    let said = fleet.cluster.psql(DATABASE, "SELECT bridge_id, outcome FROM wab_provision('new1')")?;
    assert_eq!(said.stdout.trim(), "7|unlinked");
    assert!(
        said.stderr.contains("WARNING") && said.stderr.contains("triggers: tenants_audit"),
        "{}",
        said.stderr
    );
    fleet.sql("SELECT wab_enqueue_provision('new2')")?;
    let (code, message) = fleet.sql_error("CALL wab_work_queue()")?;
    assert!(code == "55000" && message.contains("triggers: tenants_audit"), "{code}: {message}");
    assert_eq!(fleet.sql("SELECT outcome IS NULL, last_error LIKE '%tenants_audit%' FROM wab_queue")?, "t|t");
    let recorded = "SELECT string_agg(customer_ref, ',' ORDER BY bridge_id) FROM wab_bridges";
    assert_eq!(fleet.sql(recorded)?, "new1,new2", "a bridge that is paid for is recorded");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift WHERE kind = 'unbound'")?, "2");
    Ok(())
}

#[tokio::test]
async fn reconcile_warns_of_rows_that_were_kept_and_returns_their_drift() -> Result<()> {
    let fleet = six().await?;
    fleet.cluster.expect_in_log(&["of the tenant rows could not be written"]);
    bind(&fleet, "{t1,t2,t3}")?;
    fleet.sql(&before_update(
        "IF OLD.id = 't2' THEN RETURN NULL; END IF; IF OLD.id = 't3' THEN RAISE 'frozen'; END IF;",
    ))?;
    let said = fleet
        .cluster
        .psql(DATABASE, "SELECT tenant_id FROM wab_reconcile() WHERE kind = 'status_drift' ORDER BY 1")?;
    assert_eq!(said.stdout.trim(), "t2\nt3", "{}", said.stderr);
    for part in [
        "WARNING",
        "2 of the tenant rows",
        "tenant t2: the row of",
        "tenant t3: cannot write bridge_status = paired",
        "frozen",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert_eq!(rows(&fleet)?, "t1 paired, t2, t3");
    Ok(())
}

#[tokio::test]
async fn a_signup_trigger_evaluates_wanted_under_the_path_of_the_binding() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(&format!(
        "{UNQUALIFIED} SELECT * FROM wab_bind_tenants('tenants', wanted => 'is_paying(id)');"
    ))?;
    let recipe = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql");
    for file in ["roles.sql", "signup.sql"] {
        fleet.sql(&std::fs::read_to_string(recipe.join(file))?)?;
    }
    fleet.sql(
        "CREATE ROLE application LOGIN IN ROLE wab_enqueuer; GRANT USAGE ON SCHEMA shop TO application;
         GRANT ALL ON shop.tenants TO application; GRANT SELECT ON shop.paying TO application",
    )?;
    fleet.sql(
        "SET ROLE application; SET search_path = pg_catalog; INSERT INTO shop.tenants VALUES ('t1'), ('t9')",
    )?;
    assert_eq!(fleet.sql("SELECT string_agg(customer_ref, ',') FROM wab_queue")?, "t1");
    Ok(())
}
