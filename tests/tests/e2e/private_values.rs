//! Tests that no value of a tenant row and no webhook_url reaches a log, a stored text or a role that only reads.

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::process::{self, Said};

use crate::world;

/// What stands in each tenant row, and must stand nowhere else.
const SECRET: &str = "tok_SECRET";

/// Healthy tenants with a token each. `cust_02` and `cust_03` lost their bridge_id, and `new_1` has no bridge.
async fn with_tokens() -> Result<Fleet> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(&format!(
        "ALTER TABLE tenants ADD token text NOT NULL DEFAULT '{SECRET}';
         UPDATE tenants SET bridge_id = NULL WHERE id IN ('cust_02', 'cust_03');
         INSERT INTO tenants (id) VALUES ('new_1');
         CREATE TABLE audit (token text, n integer)"
    ))?;
    fleet.fleet_yaml(world::YAML)?;
    Ok(fleet)
}

/// Runs `wab` as a step of a job; the text has everything that it wrote anywhere.
fn everywhere(fleet: &Fleet, args: &[&str]) -> Result<(Said, String)> {
    let files = [fleet.write("summary.md", "")?, fleet.write("outputs", "")?];
    let said = process::run(
        fleet
            .wab_command(args)?
            .env("GITHUB_STEP_SUMMARY", &files[0])
            .env("GITHUB_OUTPUT", &files[1])
            .env("GITHUB_ACTIONS", "true"),
    )?;
    let mut all = format!("{}{}", said.stdout, said.stderr);
    for file in files {
        all += &std::fs::read_to_string(file)?;
    }
    all += &fleet.sql(
        "SELECT to_jsonb(o) FROM wab_operations o UNION ALL SELECT to_jsonb(r) FROM wab_runs r
         UNION ALL SELECT to_jsonb(j) FROM wab_jobs j UNION ALL SELECT to_jsonb(q) FROM wab_queue q",
    )?;
    Ok((said, all))
}

/// An AFTER UPDATE trigger on tenants with this body.
fn after_update(body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
         CREATE OR REPLACE TRIGGER watch AFTER UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION watch();"
    )
}

#[tokio::test]
async fn no_value_of_a_row_reaches_a_log_or_the_run_log() -> Result<()> {
    let fleet = with_tokens().await?;
    // The SQL driver rolls back after a COMMIT that failed.
    fleet.cluster.expect_in_log(&["there is no transaction in progress"]);
    let write = "INSERT INTO audit VALUES (NEW.token, 1);";
    for (what, made, gone) in [
        (
            "23505, deferred to the end of the transaction",
            after_update(write) + "ALTER TABLE audit ADD CONSTRAINT c UNIQUE (token) DEFERRABLE INITIALLY DEFERRED;",
            "ALTER TABLE audit DROP CONSTRAINT c",
        ),
        (
            "23503, deferred",
            after_update(write) + "CREATE TABLE known (token text PRIMARY KEY);
             ALTER TABLE audit ADD CONSTRAINT c FOREIGN KEY (token) REFERENCES known DEFERRABLE INITIALLY DEFERRED;",
            "ALTER TABLE audit DROP CONSTRAINT c",
        ),
        (
            "23514",
            after_update(write) + "ALTER TABLE audit ADD CONSTRAINT c CHECK (n <> 1);",
            "ALTER TABLE audit DROP CONSTRAINT c",
        ),
        ("22P02", after_update("PERFORM NEW.token::integer;"), "SELECT"),
        (
            "a detail of a trigger, in a class that ends the run",
            after_update("RAISE 'no more' USING DETAIL = NEW::text, ERRCODE = '53100';"),
            "SELECT",
        ),
    ] {
        fleet.sql(&made)?;
        for format in ["text", "json", "markdown", "github"] {
            let (said, all) = everywhere(&fleet, &["apply", "-y", "--format", format])?;
            assert!([1, 4].contains(&said.code), "{what}: {all}");
            assert!(!all.contains(SECRET), "{what}, {format}: {all}");
        }
        fleet.sql(&format!("DROP TRIGGER watch ON tenants; {gone}; TRUNCATE audit"))?;
    }
    fleet.fleet_yaml("tenants: { table: tenants, wanted: 'token::integer > 0' }\n")?;
    for verb in [&["plan"][..], &["apply", "-y"], &["drift"]] {
        let (said, all) = everywhere(&fleet, verb)?;
        assert!(said.code == 1 && said.stderr.contains("22P02"), "{verb:?}: {all}");
        assert!(!all.contains(SECRET), "{verb:?}: {all}");
    }
    Ok(())
}

#[tokio::test]
async fn no_value_of_a_row_is_stored_or_raised_again_by_a_job() -> Result<()> {
    let fleet = with_tokens().await?;
    for command in [
        format!("INSERT INTO tenants (id, status, token) VALUES ('new_2', NULL, '{SECRET}')"),
        "INSERT INTO audit SELECT id, token::integer FROM tenants".to_owned(),
        "ALTER TABLE audit ADD UNIQUE (token); INSERT INTO audit SELECT token, 1 FROM tenants".to_owned(),
        "SELECT json_object_agg(id, token::json) FROM tenants".to_owned(),
    ] {
        let quoted = command.replace('\'', "''");
        let (code, message) = fleet.sql_error(&format!("CALL wab_run_job('mine', '{quoted}')"))?;
        assert!(code.starts_with('2'), "{code} {message}");
        let message = message.split("STATEMENT").next().unwrap_or_default();
        let (said, context) = message.split_once("CONTEXT").unwrap_or((message, ""));
        assert!(!said.contains(SECRET) && !context.contains("JSON data"), "{command}: {message}");
        let stored = fleet.sql("SELECT sqlstate, error FROM wab_jobs WHERE job = 'mine'")?;
        assert!(stored.starts_with(&code) && !stored.contains(SECRET), "{stored}");
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_sees_that_webhook_urls_differ_and_an_operator_which() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "INSERT INTO tenants (id) VALUES ('cust_21'), ('cust_22'); UPDATE wab_bridges SET webhook_url = 'https://u:pw@app.example.com/hooks/old-SECRET' WHERE bridge_id = 1;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''', webhook_url => '''https://app.example.com/hooks/new-SECRET''')",
    )?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    let see = |role: &str, query: &str| fleet.sql(&format!("SET ROLE {role}; {query}"));
    let urls = "SELECT kind, stored, observed FROM wab_drift WHERE kind = 'webhook'";
    assert_eq!(
        see("wab_operator", urls)?,
        "webhook|https://app.example.com/hooks/new-SECRET|https://u:pw@app.example.com/hooks/old-SECRET"
    );
    let seen = see("wab_reader", urls)?;
    let [kind, stored, observed] = seen.split('|').collect::<Vec<_>>()[..] else { anyhow::bail!("{seen}") };
    assert!(kind == "webhook" && stored != observed, "{seen}");
    for url in [stored, observed] {
        assert!(url.starts_with("https://app.example.com/... "), "{seen}");
    }
    for view in ["wab_drift", "wab_fleet", "wab_missing_bridges", "_wab_kinds", "_wab_rows"] {
        let rows = see("wab_reader", &format!("SELECT to_jsonb(v) FROM {view} v"))?;
        assert!(rows.contains("https://app.example.com/... "), "{view}: {rows}");
        assert!(!rows.contains("SECRET") && !rows.contains("u:pw"), "{view}: {rows}");
    }
    assert_eq!(
        see("wab_reader", "SELECT count(*) FROM wab_drift")?,
        see("wab_operator", "SELECT count(*) FROM wab_drift")?
    );
    Ok(())
}
