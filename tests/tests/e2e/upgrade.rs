//! Tests upgrades from every frozen version and from an invented one: the objects are those of a fresh installation, stored
//! data stays, and the new library works with the old objects.

use anyhow::Result;
use e2e::cluster::Cluster;
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::sandbox::Sandbox;
use install_sql::{Target, VERSION};

use crate::world;

/// Returns the definitions of all objects as text, to compare two databases.
const CATALOG: &str = "
    SELECT 'column', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
           col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relname ~ '^_?wab_' AND c.relkind IN ('r', 'v') ORDER BY 2, 3;
    SELECT 'relation', c.relname, c.relkind, c.reloptions, c.relacl::text[], obj_description(c.oid),
           CASE c.relkind WHEN 'i' THEN pg_get_indexdef(c.oid) WHEN 'v' THEN pg_get_viewdef(c.oid) END
    FROM pg_class c WHERE c.relname ~ '^_?wab_' ORDER BY 2;
    SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid::regclass::text ~ '^_?wab_' ORDER BY conrelid::regclass::text, 3;
    SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid::regclass::text ~ '^_?wab_' AND NOT tgisinternal ORDER BY 2;
    SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proacl::text[], obj_description(p.oid)
    FROM pg_proc p WHERE p.proname ~ '^_?wab_' ORDER BY 2;
    SELECT 'dumped', d::regclass FROM pg_extension, unnest(extconfig) d WHERE extname = 'pg_wabridges' ORDER BY d::regclass::text;
    SELECT pg_describe_object(classid, objid, 0) COLLATE \"C\" FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE e.extname = 'pg_wabridges' AND d.deptype = 'e' ORDER BY 1";

const BIND: &str = "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text); SELECT * FROM wab_bind_tenants('tenants')";
const UPDATE: &str = "ALTER EXTENSION pg_wabridges UPDATE";

fn same(upgraded: &str, fresh: &str) {
    for (upgraded, fresh) in upgraded.lines().zip(fresh.lines()) {
        assert_eq!(upgraded, fresh);
    }
    assert_eq!(upgraded.lines().count(), fresh.lines().count());
}

/// Changes an extension script so that psql can run it without CREATE EXTENSION.
fn runnable(script: &str) -> String {
    let statements = install_sql::statements(script).into_iter();
    let runnable = statements
        .filter(|s| !s.contains("pg_extension_config_dump") && !s.contains("pg_catalog.pg_extension e"));
    let text: String = runnable.map(|statement| format!("{statement}\n;\n")).collect();
    format!(
        "BEGIN; {text} COMMIT",
        text = text.replace("@extschema@", "public").replace("MODULE_PATHNAME", "pg_wabridges")
    )
}

/// Runs a script from a file, because it may be too long for a command-line argument.
fn run(cluster: &Cluster, database: &str, script: &str) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, runnable(script))?;
    let mut psql = cluster.program("psql", database);
    process::must(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()))?;
    Ok(())
}

/// The install script of an invented old version, from which the upgrade needs each kind of change.
fn made_up(script: &str) -> String {
    let replaced = |script: String, from: &str, to: &str| {
        assert!(script.contains(from), "{from}");
        script.replacen(from, to, 1)
    };
    let mut old = script.to_owned();
    // A function has another body, a function has one more argument, a comment differs, and a comment is missing.
    old = replaced(old, "WHEN 'observe' THEN 7761620002", "WHEN 'observe' THEN 7761620009");
    old = replaced(
        old,
        "FUNCTION @extschema@._wab_require_binding()",
        "FUNCTION @extschema@._wab_require_binding(again boolean DEFAULT false)",
    );
    let comment = "COMMENT ON TABLE @extschema@.wab_bridges IS";
    old = replaced(old, comment, &format!("{comment} 'Once.'; SELECT"));
    old = replaced(old, "COMMENT ON COLUMN @extschema@.wab_bridges.state IS", "SELECT");
    // An index differs, and objects exist that the new version does not have.
    old = replaced(
        old,
        "CREATE INDEX wab_bridges_duplicated ON @extschema@.wab_bridges (bridge_id) WHERE duplicated",
        "CREATE INDEX wab_bridges_duplicated ON @extschema@.wab_bridges (customer_ref)",
    );
    old + "
        CREATE FUNCTION @extschema@.wab_gone(a integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        COMMENT ON FUNCTION @extschema@.wab_gone IS 'Was here once.';
        CREATE VIEW @extschema@.wab_gone_view AS SELECT @extschema@.wab_gone();
        CREATE INDEX wab_gone_index ON @extschema@.wab_bridges (state);
        CREATE FUNCTION @extschema@.wab_gone_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER wab_gone BEFORE INSERT ON @extschema@.wab_bridges FOR EACH ROW EXECUTE FUNCTION @extschema@.wab_gone_trigger();
        GRANT SELECT ON @extschema@.wab_gone_view TO pg_monitor;"
}

#[test]
fn the_upgrade_script_turns_the_old_objects_into_the_new_ones() -> Result<()> {
    let cluster = Cluster::start(&[])?;
    for (name, new) in [("extension", install_sql::extension()), ("plain", install_sql::plain())] {
        let old = made_up(&new);
        let refused = install_sql::upgrade(&old, &new, None);
        assert!(
            refused.is_err_and(|why| why.contains("wab_gone_view TO pg_monitor")),
            "an upgrade that removes a grant must need approval"
        );
        let upgrade = install_sql::upgrade(&old, &new, Some("")).map_err(anyhow::Error::msg)?;
        let (fresh, upgraded) = (format!("{name}_fresh"), format!("{name}_upgraded"));
        for database in [&fresh, &upgraded] {
            cluster.sql("postgres", &format!("CREATE DATABASE {database}"))?;
        }
        run(&cluster, &fresh, &new)?;
        run(&cluster, &upgraded, &old)?;
        let (fresh, before) = (cluster.sql(&fresh, CATALOG)?, cluster.sql(&upgraded, CATALOG)?);
        assert!(before.contains("wab_gone") && before != fresh);
        run(&cluster, &upgraded, &upgrade)?;
        same(&cluster.sql(&upgraded, CATALOG)?, &fresh);
    }
    Ok(())
}

#[test]
fn the_upgraded_objects_are_those_of_a_fresh_installation() -> Result<()> {
    for old in install_sql::versions() {
        let fleet = Fleet::installed(Install::Extension, Sandbox::start(&[])?, &[])?;
        fleet.sql(BIND)?;
        let fresh = fleet.sql(CATALOG)?;
        fleet.sql("DROP EXTENSION pg_wabridges CASCADE; DROP TABLE tenants")?;
        fleet.sql(&format!("CREATE EXTENSION pg_wabridges VERSION '{old}'; {BIND}"))?;
        fleet.sql(&format!("{UPDATE}; SELECT * FROM wab_bind_tenants()"))?;
        same(&fleet.sql(CATALOG)?, &fresh);
    }
    Ok(())
}

/// A fleet with the objects of a frozen version.
async fn old(version: &str, install: Install) -> Result<Fleet> {
    let mut fleet =
        Fleet::installed(Install::Nothing, Sandbox::start(&["--list-status", "--speed", "60"])?, &[])?;
    match install {
        Install::SqlOnly => {
            let script =
                install_sql::frozen(version, Target::Plain).map_err(|why| anyhow::anyhow!("{why}"))?;
            run(&fleet.cluster, DATABASE, &script)?;
        }
        Install::Extension | Install::Nothing => {
            fleet.sql(&format!("CREATE EXTENSION pg_wabridges VERSION '{version}'"))?;
        }
    }
    fleet.install = install;
    Ok(fleet)
}

#[tokio::test]
async fn the_new_library_works_with_the_old_objects() -> Result<()> {
    for version in install_sql::versions() {
        let fleet = old(version, Install::Extension).await?;
        world::fill(&fleet).await?;
        fleet.sql("INSERT INTO tenants (id) VALUES ('cust_21')")?;
        for (call, says) in [
            ("SELECT count(*) FROM wab_list_instances()", "20"),
            ("SELECT customer_ref FROM wab_get_instance(3)", "cust_03"),
            ("SELECT outcome FROM wab_provision('cust_21')", "created"),
            ("SELECT bridges FROM wab_refresh()", "21"),
            ("SELECT failed FROM wab_poll_status()", "0"),
            ("SELECT count(*) FROM wab_reconcile()", "0"),
            ("SELECT outcome FROM wab_delete_instance(21, 'cust_21')", "deleted"),
        ] {
            assert_eq!(fleet.sql(call)?, says, "{version}: {call}");
        }
        assert_eq!(fleet.sql("SELECT extversion FROM pg_extension WHERE extname = 'pg_wabridges'")?, version);
        fleet.fleet_yaml(world::YAML)?;
        let said = fleet.wab(&["doctor"])?;
        assert!(said.stdout.contains(UPDATE), "{}", said.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn stored_data_stays_and_the_product_works_after_an_upgrade() -> Result<()> {
    for version in install_sql::versions() {
        for install in [Install::Extension, Install::SqlOnly] {
            let fleet = old(version, install).await?;
            world::fill(&fleet).await?;
            fleet
                .sql("UPDATE wab_policy SET price_per_bridge = 2.50, awaiting_scan_after = '-1 minute'; GRANT SELECT ON wab_drift TO PUBLIC")?;
            // Entries that are twice there keep their oldest row.
            fleet.sql(
                "INSERT INTO wab_queue (customer_ref, enqueued_at) VALUES ('cust_01', '2026-01-02'), ('cust_01', '2026-01-01'), ('cust_02', '2026-01-03');
                 INSERT INTO wab_queue (customer_ref, finished_at, outcome) VALUES ('cust_01', now(), 'refused'), ('cust_01', now(), 'refused')",
            )?;
            world::break_everything(&fleet).await?;
            fleet.sandbox.remove(20).await?;
            fleet.observe().await?;
            let kinds = world::kinds(&fleet)?;
            let rows = "SELECT count(*), max(bridge_id) FROM wab_bridges UNION ALL SELECT count(*), NULL FROM wab_observations
                        UNION ALL SELECT count(*), NULL FROM wab_tenant_binding UNION ALL SELECT count(*), sum(bridge_id) FROM wab_bridge_events
                        UNION ALL SELECT price_per_bridge, NULL FROM wab_policy";
            let before = fleet.sql(rows)?;
            if install == Install::SqlOnly {
                let said = fleet.wab(&["init", "--sql-only"])?;
                assert!(
                    said.code == 0 && said.stdout.contains(&format!("it had {version}")),
                    "{}{}",
                    said.stdout,
                    said.stderr
                );
                assert_eq!(fleet.sql("SELECT wab_version()")?, VERSION);
            } else {
                fleet.sql(UPDATE)?;
                assert_eq!(world::kinds(&fleet)?, kinds, "the old views must still work");
                fleet.sql("SELECT * FROM wab_bind_tenants()")?;
            }
            // A negative grace is none.
            assert_eq!(fleet.sql("SELECT awaiting_scan_after FROM wab_policy")?, "00:00:00");
            fleet.sql("UPDATE wab_policy SET state_after = '0'")?;
            // 0.2.0 does not know these kinds.
            let mut kinds = kinds;
            kinds.extend(["stale_binding", "unmapped_status"].map(str::to_owned));
            kinds.sort();
            assert_eq!((fleet.sql(rows)?, world::kinds(&fleet)?), (before, kinds));
            assert_eq!(
                fleet.sql("SELECT customer_ref, enqueued_at::date FROM wab_queue WHERE finished_at IS NULL ORDER BY 1")?,
                "cust_01|2026-01-01\ncust_02|2026-01-03"
            );
            assert_eq!(fleet.sql("SELECT count(*) FROM wab_queue")?, "4");
            assert_eq!(fleet.sql("SELECT has_table_privilege('public', 'wab_drift', 'SELECT')")?, "t");
            fleet.observe().await?;
            fleet.fleet_yaml(world::YAML)?;
            let said = fleet.wab(&["plan"])?;
            assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        }
    }
    Ok(())
}

#[test]
fn a_plain_upgrade_is_a_fresh_installation_or_is_refused() -> Result<()> {
    for version in install_sql::versions() {
        let fresh = Fleet::installed(Install::SqlOnly, Sandbox::start(&[])?, &[])?;
        fresh.sql(BIND)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let fleet = runtime.block_on(old(version, Install::SqlOnly))?;
        fleet.sql(BIND)?;
        fleet.sql("ALTER TABLE wab_bridges ALTER status DROP NOT NULL")?;
        let said = fleet.wab(&["init", "--sql-only"])?;
        assert_eq!(said.code, 5, "{}", said.stderr);
        assert!(said.stderr.contains(&format!("differ from those of wab {version}")), "{}", said.stderr);
        assert_eq!(fleet.sql("SELECT wab_version()")?, version, "a refused upgrade must change nothing");
        fleet.sql("ALTER TABLE wab_bridges ALTER status SET NOT NULL")?;
        let said = fleet.wab(&["init", "--sql-only"])?;
        assert_eq!(said.code, 0, "{}", said.stderr);
        same(&fleet.sql(CATALOG)?, &fresh.sql(CATALOG)?);
    }
    Ok(())
}
