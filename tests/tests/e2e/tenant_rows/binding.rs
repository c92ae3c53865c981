//! Tests that `wab_bind_tenants()` accepts a table if it can write its rows and evaluate its expressions, and refuses it if not.

use anyhow::{Context, Result};

use super::{UNQUALIFIED, apply, planned, rows, six};

#[tokio::test]
async fn refuses_expressions_that_cannot_be_evaluated() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(UNQUALIFIED)?;
    fleet.sql("DROP TABLE paying")?;
    for rows in ["", "INSERT INTO tenants VALUES ('t1');"] {
        fleet.sql(&format!("DELETE FROM tenants; {rows}"))?;
        for argument in ["wanted => 'is_paying(id)'", "webhook_url => 'hook(id)'"] {
            let (code, message) =
                fleet.sql_error(&format!("SELECT * FROM wab_bind_tenants('tenants', {argument})"))?;
            assert_eq!(code, "42P01", "{message}");
            assert!(message.contains("relation \"paying\" does not exist"), "{message}");
            assert!(message.contains("is not a valid SQL expression over"), "{message}");
        }
        let (code, message) = fleet
            .sql_error(
                "SELECT * FROM wab_bind_tenants('tenants', wanted => 'length(id) / (length(id) - 2) > 0')",
            )
            .or_else(|error| {
                if rows.is_empty() { Ok(("22012".into(), "fails on a row".into())) } else { Err(error) }
            })?;
        assert!(code == "22012" && message.contains("fails on a row"), "{code}: {message}");
    }
    // A name of the table itself cannot be tried on a sample row; it is accepted as before.
    fleet.sql(
        "SELECT * FROM wab_bind_tenants('tenants', wanted => 'shop.tenants.id <> ''x'' AND tableoid > 0')",
    )?;
    Ok(())
}

/// Tables that cannot be written as bound, and a part of the reason.
const UNWRITABLE: [(&str, &str, bool); 12] = [
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text GENERATED ALWAYS AS ('x') STORED)",
        "bridge_status",
        true,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint GENERATED ALWAYS AS IDENTITY, bridge_status text)",
        "bridge_id",
        true,
    ),
    (
        "CREATE TABLE base (id text, bridge_id bigint, word text); CREATE VIEW tenants AS SELECT id, bridge_id, lower(word) AS bridge_status FROM base",
        "bridge_status",
        true,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text CONSTRAINT words CHECK (bridge_status IN ('connected', 'off')))",
        "words",
        true,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text CONSTRAINT words CHECK (bridge_status IN ('paired', 'awaiting_scan', 'disconnected')))",
        "bridge_status = unknown",
        true,
    ),
    (
        "CREATE DOMAIN word AS text CONSTRAINT words CHECK (VALUE IN ('connected', 'off')); CREATE TABLE tenants (id text, bridge_id bigint, bridge_status word)",
        "words",
        true,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint CONSTRAINT large CHECK (bridge_id > 1000000), bridge_status text)",
        "large",
        true,
    ),
    (
        "CREATE TABLE mine (id bigint PRIMARY KEY); CREATE TABLE tenants (id text, bridge_id bigint CONSTRAINT known REFERENCES mine, bridge_status text)",
        "known",
        false,
    ),
    (
        "CREATE TABLE mine (id bigint PRIMARY KEY); CREATE TABLE tenants (id text, bridge_id bigint CONSTRAINT known REFERENCES mine DEFERRABLE INITIALLY DEFERRED, bridge_status text)",
        "known",
        false,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO no_log VALUES (1); RETURN NEW; END $$; CREATE TRIGGER logs BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION f()",
        "no_log",
        false,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER spares BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION f()",
        "triggers: spares",
        false,
    ),
    (
        "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text); CREATE RULE frozen AS ON UPDATE TO tenants DO INSTEAD NOTHING",
        "rules: frozen",
        false,
    ),
];

#[tokio::test]
async fn refuses_tables_that_cannot_be_written_and_keeps_the_former_binding() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(
        "CREATE TABLE former (id text); SELECT * FROM wab_bind_tenants('former', add_columns => true)",
    )?;
    for (table, part, on_empty) in UNWRITABLE {
        fleet.sql(&format!("CREATE SCHEMA shop; SET search_path = shop, public; {table}"))?;
        let call = "SET search_path = shop, public; SELECT * FROM wab_bind_tenants('tenants')";
        if on_empty {
            let (code, message) = fleet.sql_error(call).with_context(|| format!("empty: {table}"))?;
            assert!(code == "55000" && message.contains(part), "{table}: {code}: {message}");
        }
        let target = if table.contains("VIEW") { "base" } else { "tenants" };
        fleet.sql(&format!("INSERT INTO shop.{target} (id) VALUES ('t1')"))?;
        let (code, message) = fleet.sql_error(call).with_context(|| table.to_owned())?;
        assert!(code == "55000" && message.contains(part), "{table}: {code}: {message}");
        assert!(message.contains("rows of shop.tenants cannot be written"), "{message}");
        assert!(message.contains("paired, awaiting_scan, disconnected and unknown"), "{message}");
        fleet.sql("DROP SCHEMA shop CASCADE")?;
    }
    assert_eq!(fleet.sql("SELECT tenants FROM wab_tenant_binding")?, "former");
    Ok(())
}

/// Tables that can be written, though they are not ordinary.
const WRITABLE: [&str; 8] = [
    "CREATE TABLE tenants (id text, region text DEFAULT 'eu', bridge_id bigint, bridge_status text) PARTITION BY LIST (region); CREATE TABLE eu PARTITION OF tenants FOR VALUES IN ('eu')",
    "CREATE TABLE tenants (id text, bridge_id bigint, bridge_status text); CREATE TABLE log (entry text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log SELECT NEW::text; RETURN NEW; END $$; CREATE TRIGGER audit BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE TABLE tenants (id text, bridge_id bigint UNIQUE, bridge_status text CHECK (bridge_status IN ('paired', 'awaiting_scan', 'disconnected', 'unknown')))",
    "CREATE TABLE tenants (id text, bridge_id bigint REFERENCES public.wab_bridges ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, bridge_status text)",
    "CREATE TABLE tenants (id text, bridge_id bigint NOT NULL DEFAULT 0, bridge_status text NOT NULL DEFAULT 'unknown')",
    "CREATE DOMAIN word AS text CHECK (VALUE <> ''); CREATE TABLE tenants (id text, bridge_id bigint, bridge_status word)",
    "CREATE TABLE base (id text, bridge_id bigint, bridge_status text); CREATE VIEW tenants AS SELECT * FROM base",
    "CREATE TABLE base (id text, bridge_id bigint, bridge_status text); CREATE VIEW tenants AS SELECT DISTINCT * FROM base;
     CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE base SET bridge_id = NEW.bridge_id, bridge_status = NEW.bridge_status WHERE id = OLD.id; RETURN NEW; END $$;
     CREATE TRIGGER writes INSTEAD OF UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION f()",
];

#[tokio::test]
async fn takes_partitions_audit_triggers_and_fair_constraints_and_apply_writes_them() -> Result<()> {
    let fleet = six().await?;
    fleet.sql("ALTER DATABASE app SET search_path = shop, public")?;
    fleet.fleet_yaml("tenants: { table: shop.tenants }\n")?;
    for table in WRITABLE {
        fleet.sql(&format!("CREATE SCHEMA shop; SET search_path = shop, public; {table}"))?;
        fleet.sql("SELECT * FROM wab_bind_tenants('tenants')").with_context(|| format!("empty: {table}"))?;
        let target = if table.contains("VIEW") { "base" } else { "tenants" };
        fleet.sql(&format!("INSERT INTO shop.{target} (id) SELECT 't' || n FROM generate_series(1, 6) n LIMIT CASE WHEN '{table2}' THEN 1 ELSE 6 END", table2 = table.contains("NOT NULL DEFAULT 0")))?;
        fleet.sql("SELECT * FROM wab_bind_tenants('tenants')").with_context(|| table.to_owned())?;
        let untouched =
            fleet.sql("SELECT count(*) FROM tenants WHERE bridge_id > 0 OR bridge_status = 'paired'")?;
        assert_eq!(untouched, "0", "the trial must be rolled back: {table}");
        let (code, failed) = apply(&fleet)?;
        assert_eq!((code, failed.len()), (0, 0), "{table}: {failed:?}");
        assert!(rows(&fleet)?.starts_with("t1 1 paired"), "{table}: {}", rows(&fleet)?);
        assert!(planned(&fleet)?.is_empty(), "{table}");
        fleet.sql("DROP SCHEMA shop CASCADE")?;
    }
    Ok(())
}

#[tokio::test]
async fn tries_another_row_if_a_transaction_holds_the_first() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'rows are frozen'; END $$;
         CREATE TABLE frozen (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO frozen SELECT n FROM generate_series(1, 6) n;
         CREATE TRIGGER refuse BEFORE UPDATE ON frozen FOR EACH ROW EXECUTE FUNCTION refuse()",
    )?;
    let mut application = fleet.connect().await?;
    sqlx::raw_sql("BEGIN; SELECT FROM frozen WHERE id::integer < 5 FOR UPDATE")
        .execute(&mut application)
        .await?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_bind_tenants('frozen')")?;
    assert!(code == "55000" && message.contains("rows are frozen"), "{code}: {message}");
    Ok(())
}

#[tokio::test]
async fn refuses_a_foreign_key_that_would_keep_bridges_that_are_gone() -> Result<()> {
    let fleet = six().await?;
    for rule in ["", "ON DELETE CASCADE", "DEFERRABLE INITIALLY DEFERRED"] {
        fleet.sql(&format!(
            "DROP TABLE IF EXISTS keyed; CREATE TABLE keyed (id text PRIMARY KEY,
             bridge_id bigint CONSTRAINT live REFERENCES public.wab_bridges {rule}, bridge_status text)"
        ))?;
        let (code, message) = fleet.sql_error("SELECT * FROM wab_bind_tenants('keyed')")?;
        assert!(code == "55000" && message.contains("foreign key live of"), "{code}: {message}");
        let hint = message.split("HINT:").nth(1).context("no hint")?.trim();
        fleet.sql(hint.lines().next().unwrap_or_default())?;
        fleet.sql("SELECT * FROM wab_bind_tenants('keyed'); SELECT wab_unbind_tenants()")?;
    }
    Ok(())
}

#[tokio::test]
async fn names_the_rows_of_one_id_of_which_a_unique_constraint_lets_only_one_hold_the_bridge() -> Result<()> {
    let fleet = six().await?;
    fleet.sql(
        "CREATE TABLE soft (id text, gone boolean DEFAULT false, bridge_id bigint UNIQUE, bridge_status text);
         INSERT INTO soft VALUES ('a'); SELECT * FROM wab_bind_tenants('soft', wanted => 'NOT gone');
         INSERT INTO soft (id, gone) VALUES ('a', true)",
    )?;
    let (code, message) = fleet.sql_error("SELECT _wab_require_row('a')")?;
    assert!(code == "55000" && message.contains("have the id of this tenant"), "{code}: {message}");
    Ok(())
}
