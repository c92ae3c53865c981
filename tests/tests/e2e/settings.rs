//! Tests that only the operator can change the settings, that the key file must be private, and that a role without grants can
//! call nothing.

use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::{process, wait};
use sqlx::PgConnection;

use crate::world;

async fn set(fleet: &Fleet, name: &str, value: &str) -> Result<()> {
    fleet.cluster.configure(&[(name, value)])?;
    fleet.cluster.reload()?;
    let show = format!("LOAD 'pg_wabridges'; SHOW {name}");
    wait::until("the setting is in effect", || async { Ok((fleet.sql(&show)? == value).then_some(())) }).await
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let key = fleet.cluster.socket_dir().join("api_key");
    for (path, words) in [
        ("", "wab.api_key_file is empty"),
        ("relative/path", "not absolute"),
        ("/nonexistent/key", "No such file"),
        ("/tmp", "not a regular file"),
    ] {
        set(&fleet, "wab.api_key_file", path).await?;
        let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
        assert_eq!(code, "55000", "{path}: {message}");
        assert!(message.contains(words), "{path}: {message}");
    }
    set(&fleet, "wab.api_key_file", &key.display().to_string()).await?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
    assert_eq!(code, "55000", "{message}");
    assert!(message.contains("0644") && message.contains("mode 0600"), "{message}");
    if process::is_root()? {
        // As PostgreSQL has it for ssl_key_file, and as a mounted secret is: of root, for the server's group.
        let chown =
            |owner: &str| process::must(std::process::Command::new("chown").arg(owner).arg(&key)).map(drop);
        for (owner, mode, accepted) in [
            ("root:postgres", 0o640, true),
            ("root:postgres", 0o440, true),
            ("root:postgres", 0o660, false),
            ("root:postgres", 0o644, false),
            ("postgres:postgres", 0o640, false),
        ] {
            chown(owner)?;
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode))?;
            let read = fleet.sql("SELECT * FROM wab_refresh()");
            assert_eq!(read.is_ok(), accepted, "{owner} {mode:o}: {read:?}");
        }
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let good = std::fs::read(&key)?;
    std::fs::write(&key, "two words")?;
    let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
    assert!(code == "55000" && message.contains("nothing else") && !message.contains("mode"), "{message}");
    std::fs::write(&key, good)?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    Ok(())
}

#[tokio::test]
async fn a_changed_key_is_used_by_the_next_call_of_the_same_backend() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let key = fleet.cluster.socket_dir().join("api_key");
    let mut connection = fleet.connect().await?;
    sqlx::query("SELECT * FROM wab_refresh()").execute(&mut connection).await?;
    let good = std::fs::read(&key)?;
    std::fs::write(&key, "sk_revoked")?;
    let error = sqlx::query("SELECT * FROM wab_refresh()").execute(&mut connection).await.err();
    assert!(format!("{error:?}").contains("28000"), "{error:?}");
    std::fs::write(&key, good)?;
    sqlx::query("SELECT * FROM wab_refresh()").execute(&mut connection).await?;
    Ok(())
}

#[tokio::test]
async fn an_ordinary_role_can_do_nothing_it_was_not_granted() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("CREATE ROLE nosy LOGIN")?;
    for sql in [
        "SELECT * FROM wab_bridges",
        "SELECT * FROM wab_drift",
        "SELECT * FROM wab_list_instances()",
        "SELECT * FROM wab_provision('cust_01')",
        "SELECT * FROM wab_provision(1)",
        "SELECT * FROM wab_refresh()",
        "SELECT * FROM wab_observe('{}','{}','{}','{}','{}')",
    ] {
        let (code, message) = fleet.sql_error(&format!("SET ROLE nosy; {sql}"))?;
        assert_eq!(code, "42501", "{sql}: {message}");
    }
    let public = fleet.sql(
        "SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
         JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_wabridges'
         WHERE has_function_privilege('nosy', p.oid, 'EXECUTE')",
    )?;
    assert_eq!(
        public,
        "_wab_appeared_disconnected _wab_carried _wab_customer_refs _wab_cutoff _wab_cutoffs _wab_drift_since _wab_flapping _wab_has_wanted_twin _wab_hidden_url _wab_is_about_data _wab_is_installed _wab_job_is_late _wab_lock_id _wab_may_remember _wab_nudge_note _wab_observe_phones _wab_percent_encode _wab_phone _wab_phone_drift _wab_phone_hint _wab_phone_partners _wab_phone_sign _wab_record_phone _wab_row_json _wab_serves _wab_silent_since _wab_snooze_note _wab_status_map _wab_status_of _wab_status_order _wab_status_word _wab_unexpected_phone _wab_unmapped _wab_unpaired_since wab_help wab_normalize_status wab_url_encode wab_url_encode wab_version"
    );
    Ok(())
}

#[tokio::test]
async fn a_session_cannot_redirect_the_key() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["cannot be changed now"]);
    let mut connection = fleet.connect().await?;
    // Before the library is loaded, any user may set a placeholder of that name; the library must ignore it.
    sqlx::query("SET wab.api_url = 'http://127.0.0.1:1'").execute(&mut connection).await?;
    sqlx::query("SELECT * FROM wab_refresh()").execute(&mut connection).await?;
    let error = sqlx::query("SET wab.api_url = 'http://127.0.0.1:1'").execute(&mut connection).await.err();
    assert!(format!("{error:?}").contains("55P02"), "{error:?}");
    let error = sqlx::query("SET wab.api_key = 'sk_oops'").execute(&mut connection).await.err();
    assert!(format!("{error:?}").contains("42602"), "an unknown setting must be refused: {error:?}");
    for (url, words) in [
        ("http://example.com", "https"),
        ("https://me:pw@example.com", "user name"),
        ("nonsense", "absolute"),
    ] {
        set(&fleet, "wab.api_url", url).await?;
        let (code, message) = fleet.sql_error("SELECT * FROM wab_refresh()")?;
        assert_eq!(code, "55000", "{message}");
        assert!(message.contains(words) && !message.contains("pw@"), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn loading_the_library_applies_no_setting_of_others_before_a_reload() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.cluster.expect_in_log(&["cannot be changed now"]);
    let mut connection = fleet.connect().await?;
    let show = async |connection: &mut PgConnection, name: &str| -> Result<String> {
        Ok(sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await?)
    };
    let foreign = ["work_mem", "log_min_duration_statement", "search_path", "statement_timeout"];
    let mut before = Vec::new();
    for name in foreign {
        before.push(show(&mut connection, name).await?);
    }
    // Lines in postgresql.conf, in an included file and in postgresql.auto.conf, all without a reload.
    let more = fleet
        .cluster
        .write_secret("more.conf", "log_min_duration_statement = 7\nWAB.Connect_Timeout = 4s\n")?;
    fleet.cluster.configure(&[
        ("work_mem", "123MB"),
        ("search_path", "nowhere"),
        ("include", &more.display().to_string()),
        ("wab.request_timeout", "11s"),
        ("wab.request_timeout", "12s"),
    ])?;
    fleet.sql("ALTER SYSTEM SET statement_timeout = '77s'")?;
    let mut other = fleet.connect().await?;
    for sql in ["LOAD 'pg_wabridges'", "ALTER SYSTEM SET wab.max_response_size = '5MB'"] {
        sqlx::query(sql).execute(&mut other).await?;
    }
    sqlx::query("SET wab.request_timeout = '1s'").execute(&mut connection).await?;
    sqlx::query("SELECT wab_version()").execute(&mut connection).await?;
    for (name, value) in foreign.into_iter().zip(before) {
        assert_eq!(show(&mut connection, name).await?, value, "{name}");
    }
    assert_eq!(show(&mut connection, "wab.request_timeout").await?, "12s", "the last line counts");
    assert_eq!(show(&mut connection, "wab.connect_timeout").await?, "4s");
    assert_eq!(show(&mut connection, "wab.max_response_size").await?, "5MB", "of ALTER SYSTEM");
    assert_eq!(show(&mut connection, "wab.api_url").await?, fleet.sandbox.url());
    // A reload applies the others, and a session's reset goes back to the file's value.
    fleet.cluster.reload()?;
    wait::until("the reload is done", || async {
        Ok((fleet.sql("SHOW work_mem")? == "123MB").then_some(()))
    })
    .await?;
    sqlx::query("RESET ALL").execute(&mut connection).await?;
    assert_eq!(show(&mut connection, "wab.request_timeout").await?, "12s");
    Ok(())
}

#[tokio::test]
async fn the_extension_works_in_another_schema() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--speed", "60"])?;
    fleet.sql("DROP EXTENSION pg_wabridges; CREATE SCHEMA \"Wa Bridges\"; CREATE EXTENSION pg_wabridges SCHEMA \"Wa Bridges\"")?;
    fleet.sandbox.add_one("t1", "connected").await?;
    fleet.sql(
        "CREATE TABLE public.tenants (id text PRIMARY KEY); INSERT INTO tenants VALUES ('t1'), ('t2')",
    )?;
    fleet.sql("SELECT * FROM \"Wa Bridges\".wab_bind_tenants('tenants', add_columns => true)")?;
    fleet.sql("SELECT * FROM \"Wa Bridges\".wab_reconcile()")?;
    fleet.sql("SELECT * FROM \"Wa Bridges\".wab_provision('t2')")?;
    fleet.fleet_yaml("tenants: { table: public.tenants }\n")?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        fleet.sql("SELECT id, bridge_id, bridge_status FROM tenants ORDER BY 1")?,
        "t1|1|paired\nt2|2|awaiting_scan"
    );
    Ok(())
}
