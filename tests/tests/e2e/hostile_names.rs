//! Tests that names and ids with SQL syntax, and objects of the same name earlier on the search_path, cause no SQL injection.

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use serde_json::json;

use crate::world;

/// Hostile names of schemas, tables and columns, within PostgreSQL's limit of 63 bytes.
const NAMES: [&str; 13] = [
    "with space",
    "Grüße 🌉",
    "dot.ted.name",
    "per%cent %s %1$I %L",
    "quo\"te",
    "apo'strophe''s",
    "x\"; DROP TABLE witness; --",
    "x'; DROP TABLE witness; --",
    "new\nline",
    "back\\slash\\'",
    "$$; DROP TABLE witness; $$",
    "tenants",
    "binding",
];

/// Hostile ids of tenants. PostgreSQL accepts any text without a NUL.
fn ids() -> Vec<String> {
    NAMES
        .iter()
        .map(|name| (*name).to_owned())
        .chain([
            "x".repeat(10_000),
            "%00".to_owned(),
            "{\"a\",NULL}".to_owned(),
            "NULL".to_owned(),
            " ".to_owned(),
        ])
        .collect()
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn empty() -> Result<Fleet> {
    let fleet =
        Fleet::start(&["--list-status", "--speed", "60", "--limit-provision", "0", "--limit-other", "0"])?;
    fleet.sql("CREATE TABLE public.witness ()")?;
    Ok(fleet)
}

#[tokio::test]
async fn schema_table_and_columns_may_have_any_name() -> Result<()> {
    let fleet = empty().await?;
    fleet.sandbox.add_one("t1", "connected").await?;
    for (nth, name) in NAMES.into_iter().enumerate() {
        let (schema, second) = (identifier(&format!("s{nth} {name}")), NAMES[(nth + 1) % NAMES.len()]);
        let (table, id, bridge, status, wanted) = (
            identifier(name),
            identifier(name),
            format!("{second} 1"),
            format!("{second} 2"),
            identifier(&format!("{name} 3")),
        );
        fleet.sql(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} ({id} text PRIMARY KEY, {wanted} boolean NOT NULL DEFAULT true);
             INSERT INTO {schema}.{table} VALUES ('t1', true), ('t2', true), ('t3', false)"
        ))?;
        // The next table has other column types or lacks columns, and the views must change with it.
        let bound = fleet
            .sql(&format!(
                "SELECT tenant_rows, wanted_rows FROM wab_bind_tenants({}, tenant_id => {}, bridge_id => {}, bridge_status => {},
                     wanted => {}, webhook_url => {}, add_columns => true)",
                literal(&format!("{schema}.{table}")),
                literal(name),
                literal(&bridge),
                literal(&status),
                literal(&wanted),
                literal(&format!("'https://a.example/' || wab_url_encode({id})")),
            ))
            .with_context(|| format!("{name:?}"))?;
        assert_eq!(bound, "3|2", "{name:?}");
        fleet.sql("SELECT * FROM wab_reconcile()")?;
        let missing = fleet.sql("SELECT string_agg(customer_ref, ',') FROM wab_missing_bridges")?;
        assert_eq!(missing, if nth == 0 { "t2" } else { "" }, "{name:?}");
        fleet.sql("SELECT * FROM wab_provision('t2')")?;
        fleet.sql("SELECT _wab_link_bridges('{t1}', '{1}')")?;
        let row = fleet.sql(&format!(
            "SELECT {}, {} FROM {schema}.{table} WHERE {id} = 't1'",
            identifier(&bridge),
            identifier(&status)
        ))?;
        assert_eq!(row, "1|paired", "{name:?}");
        // Without arguments the function binds again with the stored names.
        fleet.sql("SELECT * FROM wab_bind_tenants()").with_context(|| format!("again: {name:?}"))?;
    }
    fleet.sql("SELECT FROM public.witness").context("injected")?;
    Ok(())
}

#[tokio::test]
async fn the_schema_of_the_extension_may_have_any_name_that_postgresql_accepts() -> Result<()> {
    let fleet = empty().await?;
    fleet.sandbox.add_one("t1", "connected").await?;
    fleet.fleet_yaml(
        "tenants: { table: public.tenants, wanted: status = 'active' }\npolicy: { disconnected_after: 1m }\n",
    )?;
    let tenants = "CREATE TABLE public.tenants (id text PRIMARY KEY, status text NOT NULL DEFAULT 'active', bridge_id bigint,
                       bridge_status text); INSERT INTO public.tenants (id) VALUES ('t1')";
    fleet.sql(&format!("{tenants}; CREATE ROLE ann LOGIN"))?;
    let url = fleet.cluster.url(DATABASE);
    for name in ["Wab", "My Wab", "Übel", "select", "x{y,z}", "wab.x", "W-x"] {
        let schema = identifier(name);
        fleet.sql(&format!(
            "DROP EXTENSION pg_wabridges CASCADE; CREATE SCHEMA {schema}; CREATE EXTENSION pg_wabridges SCHEMA {schema}"
        ))?;
        fleet.sql(include_str!("../../../sql/roles.sql"))?;
        fleet.sql(
            "GRANT wab_reader TO ann; GRANT TEMPORARY ON DATABASE app TO ann; GRANT SELECT ON tenants TO ann",
        )?;
        for url in [url.replace("user=postgres", "user=ann"), url.clone()] {
            for args in [&["plan"][..], &["drift"], &["export"], &["removals"]] {
                let said = fleet.wab_on(&url, args)?;
                let expected = if args == ["drift"] { 2 } else { 0 };
                anyhow::ensure!(said.code == expected, "{name:?}: {args:?} on {url}: {said:?}");
            }
        }
        for args in [&["apply", "-y"][..], &["plan", "--detailed-exitcode"], &["doctor"]] {
            let said = fleet.wab(args)?;
            anyhow::ensure!(said.code == 0, "{name:?}: {args:?}: {said:?}");
        }
        fleet.sql("UPDATE tenants SET bridge_id = NULL")?;
    }
    fleet.sql("DROP EXTENSION pg_wabridges CASCADE; CREATE SCHEMA \"per%I\"")?;
    let (code, message) = fleet.sql_error("CREATE EXTENSION pg_wabridges SCHEMA \"per%I\"")?;
    assert_eq!(code, "42602", "{message}");
    let said = fleet.wab(&["init", "--sql-only", "--schema", "per%I"])?;
    anyhow::ensure!(said.code == 5 && said.stderr.contains('%'), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn an_id_may_be_any_text() -> Result<()> {
    let fleet = empty().await?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY);
         SELECT * FROM wab_bind_tenants('tenants', add_columns => true,
             webhook_url => '''https://a.example/'' || left(wab_url_encode(id), 200)')",
    )?;
    for id in ids() {
        fleet.sql(&format!("INSERT INTO tenants VALUES ({})", literal(&id)))?;
        let call = format!("SELECT outcome FROM wab_provision({})", literal(&id));
        let short: String = id.chars().take(40).collect();
        assert_eq!(fleet.sql(&call).with_context(|| short.clone())?, "created", "{short:?}");
        assert_eq!(fleet.sql(&call)?, "existing", "{short:?}");
    }
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_drift WHERE kind NOT IN ('missing', 'awaiting_scan')")?,
        "0"
    );
    for id in ids() {
        let delete = format!(
            "SELECT outcome FROM wab_fleet f, wab_delete_instance(f.bridge_id, f.customer_ref) WHERE f.customer_ref = {}",
            literal(&id)
        );
        let deleted = fleet.cluster.psql(DATABASE, &delete)?;
        assert!(deleted.stderr.is_empty() || id.trim().is_empty(), "{}", deleted.stderr);
    }
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_bridges WHERE customer_ref <> ' '")?, "0");
    fleet.sql("SELECT FROM public.witness").context("injected")?;
    for call in [
        "wab_provision('')",
        "wab_provision(NULL::text)",
        "wab_provision(NULL::integer)",
        "wab_delete_instance(NULL, 'a')",
        "wab_delete_instance(1, NULL)",
        "wab_delete_instance(1, '')",
        "wab_get_instance(NULL)",
        "wab_bind_tenants('tenants', tenant_id => '')",
        "wab_bind_tenants('')",
        "wab_bind_tenants('tenants', wanted => '')",
        "wab_bind_tenants('tenants', wanted => 'true) FROM tenants; DROP TABLE witness; --')",
        "wab_bind_tenants('tenants', wanted => 'true); DROP TABLE witness; SELECT (true')",
        "wab_bind_tenants('tenants', webhook_url => '''a''; DROP TABLE witness')",
    ] {
        let (code, message) = fleet.sql_error(&format!("SELECT * FROM {call}"))?;
        assert!(!["XX000", "58000"].contains(&code.as_str()), "{call}: {message}");
    }
    fleet.sql("SELECT FROM public.witness").context("injected")?;
    Ok(())
}

/// Objects that PostgreSQL finds first under an unqualified name. Each raises an error when it is used.
const LOOK_ALIKES: &str = "
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.tell(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil.% was used', what; END $$;
    CREATE TABLE evil.wab_bridges (bridge_id text); CREATE TABLE evil.wab_policy (x text); CREATE TABLE evil.wab_declared (x text);
    CREATE TABLE evil.wab_tenants (x text); CREATE TABLE evil.wab_fleet (x text); CREATE TABLE evil.wab_tenant_binding (x text);
    CREATE TABLE evil.wab_observations (x text); CREATE TABLE evil.wab_bridge_events (x text);
    CREATE TABLE evil.pg_class (x text); CREATE TABLE evil.pg_proc (x text); CREATE TABLE evil.pg_attribute (x text);
    CREATE TABLE evil.pg_extension (x text); CREATE TABLE evil.pg_namespace (x text); CREATE TABLE evil.pg_roles (x text);
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT evil.tell('now'); SELECT NULL::timestamptz $$;
    CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT evil.tell('clock'); SELECT NULL::timestamptz $$;
    CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('unnest'); END $$;
    CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT evil.tell('format'); SELECT '' $$;
    CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT evil.tell('lower'); SELECT '' $$;
    CREATE FUNCTION evil.wab_normalize_status(text) RETURNS text LANGUAGE sql AS $$ SELECT evil.tell('normalize'); SELECT '' $$;
    CREATE FUNCTION evil._wab_observe_statuses(bigint[], text[], timestamptz) RETURNS integer LANGUAGE sql AS $$ SELECT evil.tell('observe'); SELECT 1 $$;
    CREATE FUNCTION evil.compare(a anyelement, b anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('operator'); RETURN true; END $$;
    CREATE OPERATOR evil.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = evil.compare);
    CREATE OPERATOR evil.<> (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = evil.compare);
    CREATE OPERATOR evil.< (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = evil.compare);
    CREATE FUNCTION evil.compare_numbers(a numeric, b integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('>='); RETURN true; END $$;
    CREATE OPERATOR evil.>= (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = evil.compare_numbers);
    CREATE FUNCTION evil.same_text(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('text'); RETURN true; END $$;
    CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same_text);
    CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same_text);
    CREATE FUNCTION evil.same_number(a bigint, b bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('bigint'); RETURN true; END $$;
    CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.same_number);
    CREATE FUNCTION evil.joined(a text, b text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.tell('||'); RETURN ''; END $$;
    CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.joined);
    CREATE TYPE evil.regclass AS (x text);";

#[tokio::test]
async fn look_alikes_on_the_search_path_are_not_found() -> Result<()> {
    let fleet = world::healthy(&["--limit-other", "0"]).await?;
    world::break_everything(&fleet).await?;
    fleet.sql(LOOK_ALIKES)?;
    let path = "SET search_path = evil, pg_catalog, public; SET check_function_bodies = off";
    let told = fleet.sql_error(&format!("{path}; SELECT 'a'::text = 'b'::text"))?.1;
    assert!(told.contains("was used"), "an unqualified name must use a look-alike: {told}");
    let calls = [
        "wab_refresh()",
        "wab_poll_status(3)",
        "wab_reconcile(3)",
        "wab_list_instances()",
        "_wab_list_rows()",
        "_wab_row_json('{}')",
        "_wab_observe_again('x', pg_catalog.now(), 'sql')",
        "_wab_drift_rows()",
        "_wab_record_drift()",
        "wab_get_instance(1)",
        "wab_provision('cust_22')",
        "wab_delete_instance(20, 'cust_20')",
        "wab_summary()",
        "wab_log_summary()",
        "wab_prune_history()",
        "wab_normalize_status('QR')",
        "wab_url_encode('a b')",
        "_wab_lock_id('refresh')",
        "_wab_serves(1, 'cust_01', 1)",
        "_wab_last_observation('1 hour')",
        "_wab_poll_candidates(3)",
        "_wab_wanted_webhook_url('cust_01')",
        "_wab_stored_bridge_id('cust_01')",
        "_wab_require_recording()",
        "_wab_require_binding()",
        "_wab_mark_duplicates()",
        "_wab_mark_duplicates_of('{cust_01}', 1)",
        "_wab_link_bridges('{cust_01}', '{1}')",
        "_wab_write_statuses()",
        "_wab_observe_statuses('{1}', '{qr}', pg_catalog.now())",
        "_wab_record_provision('cust_01', 1, 'running', 'connected')",
        "_wab_record_delete(19, 'cust_19')",
        "wab_version()",
        "wab_bind_tenants()",
        "wab_bind_tenants('public.tenants', resolved_in => 'public')",
    ];
    for call in calls {
        fleet.sql(&format!("{path}; SELECT * FROM public.{call}")).with_context(|| call.to_owned())?;
    }
    // The binding's own path is hostile too: rows are written and expressions evaluated under it.
    let bind = "SELECT * FROM public.wab_bind_tenants('public.tenants', wanted => 'status = ''active''')";
    fleet.sql(&format!("{path}; {bind}"))?;
    assert!(fleet.sql("SELECT resolved_in FROM wab_tenant_binding")?.starts_with("evil"));
    fleet.sql("UPDATE tenants SET bridge_id = NULL, bridge_status = NULL")?;
    fleet
        .sql(&format!("{path}; SELECT * FROM public.wab_reconcile(3); SELECT * FROM public.wab_summary()"))?;
    fleet
        .sql(&format!("{path}; SELECT * FROM public._wab_link_bridges('{{cust_01,cust_05}}', '{{1,5}}')"))?;
    let row = "SELECT bridge_id, bridge_status FROM tenants WHERE id = 'cust_01'";
    assert_eq!(fleet.sql(row)?, "1|paired");
    for view in fleet.sql("SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v'")?.lines() {
        fleet.sql(&format!("{path}; SELECT * FROM public.{view}")).with_context(|| view.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn an_installation_uses_no_object_of_a_hostile_search_path() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    fleet.sql(&format!(
        "DROP EXTENSION pg_wabridges; {}",
        LOOK_ALIKES
            .replace("evil.", "public.")
            .replace("CREATE SCHEMA evil;", "")
            .replace("CREATE TABLE public.wab_", "CREATE TABLE public.not_wab_")
            .replace("CREATE FUNCTION public.wab_", "CREATE FUNCTION public.not_wab_")
            .replace("CREATE FUNCTION public._wab_", "CREATE FUNCTION public.not_wab_")
    ))?;
    fleet.sql("CREATE EXTENSION pg_wabridges")?;
    fleet.sql("UPDATE wab_policy SET price_per_bridge = 2.50")?;
    fleet.sandbox.add(json!([{"customer_ref": "t1", "status": "connected"}])).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    let depending = fleet.sql(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend d
         WHERE d.refobjid OPERATOR(pg_catalog.=) ANY (SELECT o.oid FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'public'::pg_catalog.regnamespace)
           AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_operator'::pg_catalog.regclass",
    )?;
    assert_eq!(depending, "0", "an object of the product uses an operator of another schema");
    Ok(())
}

#[tokio::test]
async fn a_view_of_another_role_is_not_replaced() -> Result<()> {
    let fleet = empty().await?;
    fleet.sql(
        "CREATE ROLE nosy LOGIN; GRANT CREATE ON SCHEMA public TO nosy; CREATE TABLE tenants (id text PRIMARY KEY);
         SELECT * FROM wab_bind_tenants('tenants', add_columns => true)",
    )?;
    for view in ["wab_fleet_summary", "wab_tenants"] {
        let columns = fleet.sql(&format!("SELECT pg_get_viewdef('{view}'::regclass)"))?;
        fleet.sql(&format!("ALTER VIEW {view} OWNER TO nosy"))?;
        let (code, message) = fleet.sql_error("SELECT * FROM wab_bind_tenants()")?;
        assert_eq!(code, "42501", "{message}");
        assert!(message.contains(&format!("{view} belongs to nosy")), "{message}");
        assert!(!columns.is_empty());
        fleet.sql(&format!("ALTER VIEW {view} OWNER TO postgres; SELECT * FROM wab_bind_tenants()"))?;
    }
    // PostgreSQL itself refuses to replace another kind of relation, or a view with other columns.
    fleet.sql("DROP VIEW wab_tenants CASCADE; CREATE TABLE wab_tenants (x integer)")?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_bind_tenants('tenants')")?;
    assert_eq!(code, "42809", "{message}");
    fleet.sql("DROP TABLE wab_tenants; CREATE VIEW wab_tenants AS SELECT 1 AS x")?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_bind_tenants('tenants')")?;
    assert_eq!(code, "42P16", "{message}");
    Ok(())
}
