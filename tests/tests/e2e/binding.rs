//! Tests the binding of the tenants table: it follows renames, changes beside readers, and can be undone.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::fleet::{DATABASE, Fleet};
use e2e::{process, wait};
use serde_json::json;

use crate::world;

const SIGNUP: &str = include_str!("../../../sql/signup.sql");
const ROLES: &str = include_str!("../../../sql/roles.sql");

/// Renames the schema, the table and the three bound columns.
const RENAME: &str =
    "CREATE SCHEMA shop; ALTER TABLE tenants SET SCHEMA shop; ALTER TABLE shop.tenants RENAME TO customers;
    ALTER TABLE shop.customers RENAME COLUMN id TO tenant_no;
    ALTER TABLE shop.customers RENAME COLUMN bridge_id TO bridge;
    ALTER TABLE shop.customers RENAME COLUMN bridge_status TO wa_status;";

fn applies(fleet: &Fleet) -> Result<()> {
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn everything_goes_on_after_table_and_columns_were_renamed() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(SIGNUP)?;
    fleet.sql(ROLES)?;
    fleet.sql(RENAME)?;
    // The trigger, the writers and the plan.
    fleet.sql("INSERT INTO shop.customers (tenant_no) VALUES ('new')")?;
    assert_eq!(fleet.sql("SELECT customer_ref FROM wab_queue")?, "new");
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(fleet.sql("SELECT bridge FROM shop.customers WHERE tenant_no = 'new'")?, "21");
    fleet.sql("UPDATE shop.customers SET wa_status = NULL WHERE tenant_no = 'cust_01'")?;
    fleet.sql("SELECT * FROM wab_reconcile()")?;
    assert_eq!(fleet.sql("SELECT wa_status FROM shop.customers WHERE tenant_no = 'cust_01'")?, "paired");
    fleet.sql("UPDATE shop.customers SET bridge = NULL WHERE tenant_no = 'cust_02'")?;
    fleet.fleet_yaml("policy: { max_creates: 1 }")?;
    applies(&fleet)?;
    assert_eq!(fleet.sql("SELECT bridge FROM shop.customers WHERE tenant_no = 'cust_02'")?, "2");
    // The recipes, a second binding, a dump, doctor and the plan of a fleet.yaml with the present names.
    fleet.sql(SIGNUP)?;
    fleet.sql(ROLES)?;
    assert_eq!(fleet.sql("SELECT * FROM wab_bind_tenants()")?, "shop.customers|21|21");
    fleet.sql("ALTER TABLE shop.customers RENAME COLUMN bridge TO bridge_no")?;
    fleet.cluster.sql("postgres", "CREATE DATABASE restored")?;
    let dump = process::must(fleet.cluster.program("pg_dump", DATABASE).args(["--no-sync"]))?;
    let file = fleet.write("dump.sql", &dump)?;
    process::must(
        fleet.cluster.program("psql", "restored").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file),
    )?;
    assert_eq!(
        fleet
            .cluster
            .sql("restored", "SELECT tenant_id, bridge_id, bridge_status FROM public._wab_binding()")?,
        "tenant_no|bridge_no|wa_status"
    );
    fleet.fleet_yaml(
        "tenants: { table: shop.customers, tenant_id: tenant_no, bridge_id: bridge_no, bridge_status: wa_status,
                   wanted: status = 'active' }",
    )?;
    let said = fleet.wab(&["doctor"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("tenant_no of shop.customers has a unique index"), "{}", said.stdout);
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_trigger_that_cannot_enqueue_says_why() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["were not enqueued: no tenants table is bound"]);
    fleet.sql(SIGNUP)?;
    fleet.sql(
        "CREATE TABLE others (no text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('others', tenant_id => 'no')",
    )?;
    let (state, message) = fleet.sql_error("INSERT INTO tenants (id) VALUES ('new')")?;
    assert_eq!(state, "55000", "{message}");
    assert!(message.contains("DROP TRIGGER wab_signup ON public.tenants"), "{message}");
    fleet.sql("DROP TABLE others CASCADE")?;
    let said = fleet.cluster.psql(DATABASE, "INSERT INTO tenants (id) VALUES ('new')")?;
    assert!(said.stderr.contains("were not enqueued: no tenants table is bound"), "{}", said.stderr);
    assert_eq!(fleet.sql("SELECT count(*) FROM tenants WHERE id = 'new'")?, "1");
    Ok(())
}

/// A fleet.yaml whose binding differs from that of `world::healthy`.
const OTHER_BINDING: &str = "tenants: { table: public.tenants, wanted: status <> 'left' }";

/// A session that has read the drift in a transaction that is still open.
async fn reader(fleet: &Fleet) -> Result<sqlx::PgConnection> {
    let mut conn = fleet.connect().await?;
    sqlx::raw_sql("SET application_name = 'report'; BEGIN; SELECT count(*) FROM wab_drift")
        .execute(&mut conn)
        .await?;
    Ok(conn)
}

#[tokio::test]
async fn a_dry_run_of_another_binding_waits_for_no_reader_and_no_reader_waits_for_it() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(OTHER_BINDING)?;
    fleet.sql("UPDATE tenants SET status = 'trial' WHERE id = 'cust_03'")?;
    let _reader = reader(&fleet).await?;
    for args in [&["plan"][..], &["drift"], &["export"], &["doctor"]] {
        let mut wab = fleet.wab_command(args)?;
        wab.env("PGOPTIONS", "").stdout(Stdio::null()).stderr(Stdio::null());
        let mut wab = wab.spawn()?;
        let ended = wait::until("wab ends beside an open reader", || {
            let ended = wab.try_wait().map(|status| status.map(|status| status.code()));
            async move { Ok(ended?) }
        })
        .await;
        if ended.is_err() {
            wab.kill()?;
        }
        assert_eq!(ended?, Some(0), "{args:?}");
    }
    // It plans for the new binding: a tenant on trial is wanted, so its bridge is no waste.
    let said = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert!(!said.stdout.contains("churned") && said.stdout.contains("status <> 'left'"), "{}", said.stdout);
    assert_eq!(fleet.sql("SELECT wanted FROM wab_tenant_binding")?, "status = 'active'");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_churned_bridges")?, "1");
    Ok(())
}

#[tokio::test]
async fn an_apply_that_cannot_bind_beside_a_reader_names_it_and_can_be_run_again() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.fleet_yaml(OTHER_BINDING)?;
    let reader = reader(&fleet).await?;
    let started = Instant::now();
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("55P03") && said.stderr.contains("application report"), "{}", said.stderr);
    assert!(started.elapsed() < Duration::from_secs(60), "it must not wait for ever");
    assert_eq!(fleet.sql("SELECT wanted FROM wab_tenant_binding")?, "status = 'active'");
    drop(reader);
    wait::until("the reader has left", || async {
        let left = fleet.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report'")?;
        Ok(Some(()).filter(|()| left == "0"))
    })
    .await?;
    applies(&fleet)?;
    assert_eq!(fleet.sql("SELECT wanted FROM wab_tenant_binding")?, "status <> 'left'");
    Ok(())
}

#[tokio::test]
async fn eight_readers_and_a_binding_in_a_loop_never_deadlock() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("CREATE TABLE stop (); CREATE TABLE numbers (id bigint PRIMARY KEY, bridge_id bigint, bridge_status text)")?;
    // Readers from the top down, from the bottom up, writers of statuses, and several statements in one transaction.
    let reads = [
        "SELECT count(*) FROM wab_drift",
        "SELECT count(*) FROM wab_fleet_summary; SELECT count(*) FROM wab_fleet",
        "SELECT pg_sleep(0.1); SELECT count(*) FROM wab_tenants; SELECT count(*) FROM wab_drift",
        "SELECT pg_sleep(0.1); SELECT _wab_write_statuses()",
    ];
    let mut readers = Vec::new();
    for nth in 0..8 {
        let read = reads[nth % reads.len()];
        let script = format!("BEGIN; {read}; COMMIT;\n").repeat(4000);
        let file = fleet.write(&format!("reader{nth}.sql"), &script)?;
        let mut psql = fleet.cluster.program("psql", DATABASE);
        psql.args(["-X", "-q", "-f"]).arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        readers.push(psql.spawn()?);
    }
    let (least, most) = (Instant::now() + Duration::from_secs(8), Instant::now() + Duration::from_secs(90));
    let mut bound = 0;
    while Instant::now() < least || (bound < 3 && Instant::now() < most) {
        for sql in [
            "SELECT * FROM wab_bind_tenants('tenants', wanted => 'id IS NOT NULL')",
            "SELECT * FROM wab_bind_tenants('tenants', wanted => 'true')",
            "SELECT * FROM wab_bind_tenants('numbers')",
            "BEGIN; SELECT wab_unbind_tenants(); SELECT * FROM wab_bind_tenants('tenants', wanted => 'true'); COMMIT",
        ] {
            let said = fleet.cluster.psql(DATABASE, sql)?;
            assert!(
                !said.stderr.contains("ERROR")
                    || said.stderr.contains("in use")
                    || said.stderr.contains("lock timeout"),
                "{sql}: {}",
                said.stderr
            );
            bound += usize::from(said.stderr.is_empty());
        }
    }
    for mut reader in readers {
        reader.kill()?;
        reader.wait()?;
    }
    assert!(bound >= 3, "{bound}");
    let log = fleet.cluster.log()?;
    assert!(
        !log.contains("deadlock detected"),
        "{}",
        log.lines().filter(|line| line.contains("deadlock")).count()
    );
    Ok(())
}

#[tokio::test]
async fn texts_that_a_collation_calls_equal_are_different_tenants() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")?;
    let id = fleet.sandbox.add_one("CUST_01", "connected").await?;
    fleet.sql("ALTER TABLE tenants DROP CONSTRAINT tenants_pkey")?;
    fleet.sql(
        "BEGIN; SELECT wab_unbind_tenants(); ALTER TABLE tenants ALTER COLUMN id TYPE text COLLATE ci;
         SELECT * FROM wab_bind_tenants(); COMMIT; UPDATE tenants SET bridge_id = NULL WHERE id = 'cust_01'",
    )?;
    fleet.sql(SIGNUP)?;
    fleet.fleet_yaml(world::YAML)?;
    applies(&fleet)?;
    let orphans = format!("CUST_01|{id}");
    assert_eq!(fleet.sql("SELECT customer_ref, bridge_id FROM wab_orphaned_bridges")?, orphans);
    assert_eq!(fleet.sql("SELECT bridge_id FROM tenants WHERE id = 'cust_01'")?, "1");
    // Two rows that this collation calls equal are two tenants.
    fleet.sql("INSERT INTO tenants (id) VALUES ('CUST_01'), ('Cust_02')")?;
    assert_eq!(fleet.sql("SELECT * FROM wab_bind_tenants()")?, "tenants|22|22");
    assert_eq!(fleet.sql("SELECT customer_ref FROM wab_queue ORDER BY 1")?, "CUST_01\nCust_02");
    applies(&fleet)?;
    assert_eq!(
        fleet.sql(
            "SELECT id COLLATE \"C\", bridge_id FROM tenants WHERE id IN ('cust_01', 'cust_02') ORDER BY 1"
        )?,
        format!("CUST_01|{id}\nCust_02|{}\ncust_01|1\ncust_02|2", id + 1)
    );
    Ok(())
}

#[tokio::test]
async fn ids_of_every_accepted_type_have_one_text_in_every_session() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE EXTENSION citext; CREATE TYPE plan AS ENUM ('small plan'); CREATE DOMAIN code AS char(9);
         CREATE DOMAIN number AS numeric(9,2)",
    )?;
    for (nth, (id_type, value, customer_ref)) in [
        ("smallint", "7", "7"),
        ("integer", "-8", "-8"),
        ("bigint", "9000000000", "9000000000"),
        ("oid", "70", "70"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("text", "it's", "it's"),
        ("varchar(20)", "v v", "v v"),
        ("char(8)", "ab", "ab"),
        ("name", "n", "n"),
        ("citext", "MiXed", "MiXed"),
        ("plan", "small plan", "small plan"),
        ("code", "xyz", "xyz"),
        ("numeric(20,0)", "12.0", "12"),
        ("number", "12", "12.00"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("typed_{nth}");
        let (value, quoted) = (value.replace('\'', "''"), customer_ref.replace('\'', "''"));
        fleet.sql(&format!(
            "CREATE TABLE {table} (id {id_type} PRIMARY KEY, bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('{table}')"
        ))?;
        fleet.sql(SIGNUP)?;
        fleet.sql(&format!("INSERT INTO {table} (id) VALUES ('{value}')"))?;
        let settings = "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET extra_float_digits = 0; SET bytea_output = 'escape';";
        for settings in ["", settings] {
            let refs = fleet.sql(&format!("{settings} SELECT customer_ref FROM wab_tenants"))?;
            assert_eq!(refs, customer_ref, "{id_type}");
        }
        assert_eq!(
            fleet.sql("SELECT customer_ref FROM wab_queue WHERE finished_at IS NULL")?,
            customer_ref,
            "{id_type}"
        );
        fleet.sandbox.clear_ledger().await?;
        fleet.sql("CALL wab_work_queue()")?;
        assert_eq!(fleet.sandbox.calls("POST").await?, 1, "{id_type}");
        fleet.sql("SELECT count(*) FROM wab_reconcile()")?;
        let linked = format!(
            "SELECT t.bridge_id = b.bridge_id, f.drift FROM {table} t, wab_bridges b, wab_fleet f
             WHERE b.customer_ref = '{quoted}' AND f.customer_ref = b.customer_ref"
        );
        assert_eq!(fleet.sql(&linked)?, "t|{}", "{id_type}");
    }
    assert_eq!(fleet.sandbox.bridges().await?.len(), 34, "{}", json!(fleet.sandbox.bridges().await?));
    Ok(())
}

#[tokio::test]
async fn binding_again_keeps_what_is_not_named_and_says_what_is_cleared() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let bound = || fleet.sql("SELECT wanted, webhook_url FROM wab_tenant_binding");
    let said = |sql: &str| -> Result<String> { Ok(fleet.cluster.psql(DATABASE, sql)?.stderr) };
    let url = "'https://app.acme.io/s3cret/' || id";
    fleet.sql(&format!("SELECT * FROM wab_bind_tenants('tenants', webhook_url => $u${url}$u$)"))?;
    assert_eq!(bound()?, format!("status = 'active'|{url}"));
    let again = "SELECT * FROM wab_bind_tenants('public.tenants', wanted => 'status = ''active''', add_columns => true)";
    assert_eq!(said(again)?, "");
    assert_eq!(bound()?, format!("status = 'active'|{url}"));

    // wab: a fleet.yaml that names less.
    fleet.fleet_yaml(
        "tenants: { table: public.tenants }\nbridges: { extra: [ { tenant_id: ops, reason: x } ] }",
    )?;
    fleet.sql(
        "UPDATE tenants SET status = 'left' WHERE id = 'cust_03'; INSERT INTO tenants (id) VALUES ('new')",
    )?;
    applies(&fleet)?;
    assert_eq!(bound()?, format!("status = 'active'|{url}"));
    let webhook =
        |of: &str| fleet.sql(&format!("SELECT webhook_url FROM wab_bridges WHERE customer_ref = '{of}'"));
    assert_eq!(webhook("new")?, "https://app.acme.io/s3cret/new");

    // fleet.yaml's own webhook reaches the extra bridges too, and stays theirs.
    let bridges = |rest: &str| {
        fleet.fleet_yaml(&format!("bridges: {{ extra: [ {{ tenant_id: ops, reason: x }} ]{rest} }}"))
    };
    bridges(", webhook_url: 'https://hooks.acme.io/s3cret/{tenant_id}'")?;
    let plan = fleet.wab(&["plan"])?;
    assert!(
        plan.stdout.contains("webhook_url: https://app.acme.io/… → https://hooks.acme.io/…"),
        "{}",
        plan.stdout
    );
    assert!(!plan.stdout.contains("s3cret"), "{}", plan.stdout);
    applies(&fleet)?;
    let declared = || fleet.sql("SELECT webhook_url FROM wab_declared");
    assert_eq!(declared()?, "https://hooks.acme.io/s3cret/ops");
    bridges("")?;
    let plan = fleet.wab(&["plan", "--detailed-exitcode"])?;
    assert_eq!(plan.code, 0, "{}", plan.stdout);
    applies(&fleet)?;
    assert_eq!(declared()?, "https://hooks.acme.io/s3cret/ops");

    // On purpose.
    bridges(", webhook_url: none")?;
    let plan = fleet.wab(&["plan"])?;
    assert!(plan.stdout.contains("webhook_url: https://hooks.acme.io/… → none"), "{}", plan.stdout);
    applies(&fleet)?;
    assert_eq!((bound()?.as_str(), declared()?.as_str()), ("status = 'active'|", ""));
    fleet.sql(&format!("SELECT * FROM wab_bind_tenants(webhook_url => $u${url}$u$)"))?;
    let cleared = said("SELECT * FROM wab_bind_tenants(webhook_url => '')")?;
    assert!(cleared.contains("NOTICE:  this binding clears webhook_url (now: none)"), "{cleared}");
    fleet.sql(&format!("SELECT * FROM wab_bind_tenants(webhook_url => $u${url}$u$)"))?;
    fleet.sql("CREATE TABLE others (id bigint PRIMARY KEY, bridge_id bigint, bridge_status text)")?;
    let cleared = said("SELECT * FROM wab_bind_tenants('others')")?;
    assert!(
        cleared.contains("clears wanted (was: status = 'active'; now: true), webhook_url (now: none)")
            && !cleared.contains("s3cret"),
        "{cleared}"
    );
    // A webhook_url over an id of any type.
    fleet.sql(
        "SELECT * FROM wab_bind_tenants('others', webhook_url => '''https://x/'' || wab_url_encode(id)');
         INSERT INTO others VALUES (-7)",
    )?;
    assert_eq!(fleet.sql("SELECT webhook_url FROM wab_tenants")?, "https://x/-7");
    assert_eq!(
        fleet.sql("SELECT wab_url_encode('a/b'::varchar), wab_url_encode('a/b'::char(5))")?,
        "a%2Fb|a%2Fb"
    );
    Ok(())
}

#[tokio::test]
async fn of_two_rows_with_one_id_the_wanted_one_keeps_the_bridge() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    // An ordinary soft delete: the customer left, and came back.
    fleet.sql(
        "CREATE TABLE soft (id text NOT NULL, deleted_at timestamptz, bridge_id bigint, bridge_status text);
         CREATE UNIQUE INDEX ON soft (id) WHERE deleted_at IS NULL;
         INSERT INTO soft SELECT id, NULL, bridge_id, bridge_status FROM tenants;
         SELECT * FROM wab_bind_tenants('soft', wanted => 'deleted_at IS NULL');
         UPDATE soft SET deleted_at = now() WHERE id IN ('cust_03', 'cust_04');
         INSERT INTO soft VALUES ('cust_03', NULL, 3, 'paired')",
    )?;
    let drift = "SELECT kind, customer_ref FROM wab_drift";
    assert_eq!(fleet.sql(drift)?, "churned|cust_04");
    assert_eq!(fleet.sql("SELECT bridges, monthly_waste FROM wab_fleet_summary")?, "20|3.00");
    fleet.fleet_yaml(
        "policy: { max_deletes: 1 }\nbridges:\n  remove: [ { customer_ref: cust_03, bridge_id: 3, reason: left } ]\n",
    )?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(fleet.sandbox.calls("DELETE").await?, 0, "{}{}", said.stdout, said.stderr);
    let said = fleet.wab(&["doctor"])?;
    assert!(said.code == 1 && said.stdout.contains("has the id \"cust_03\""), "{}", said.stdout);
    // A customer who comes back gets a bridge, wherever the two rows are in the table.
    fleet.sandbox.remove(4).await?;
    fleet.sql("INSERT INTO soft VALUES ('cust_04'); SELECT FROM wab_refresh()")?;
    for order in ["deleted_at IS NULL", "deleted_at IS NOT NULL"] {
        fleet.sql(&format!("UPDATE soft SET bridge_status = NULL WHERE id = 'cust_04' AND {order}"))?;
        fleet.sql("SELECT * FROM _wab_wanted_webhook_url('cust_04')")?;
        assert_eq!(fleet.sql("SELECT is_wanted FROM _wab_serving_bridge('cust_04')")?, "t");
    }
    assert_eq!(fleet.sql("SELECT outcome FROM wab_provision('cust_04')")?, "created");
    Ok(())
}

#[tokio::test]
async fn columns_whose_writing_changes_who_is_wanted_are_refused() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    for (binding, says) in [
        ("bridge_status => 'id'", "three different columns"),
        ("bridge_id => 'id'", "three different columns"),
        ("bridge_status => 'bridge_id'", "three different columns"),
        ("bridge_status => 'status'", "may read neither column"),
        ("wanted => 'bridge_id = 1'", "may read neither column"),
    ] {
        let (code, message) = fleet.sql_error(&format!("SELECT * FROM wab_bind_tenants({binding})"))?;
        let expected = if says.starts_with("three") { "22023" } else { "55000" };
        // The column of an id is a text, which is refused as the column of a bridge_id before.
        let is_type = binding == "bridge_id => 'id'" || binding == "bridge_status => 'bridge_id'";
        assert!(is_type || (code == expected && message.contains(says)), "{binding}: {code} {message}");
    }
    assert!(world::kinds(&fleet)?.is_empty());
    Ok(())
}
