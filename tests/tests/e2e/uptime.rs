//! Tests that wab_tenant_uptime() equals the provider's own record of a month, and that wab_calls tells who made a call.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::world;

/// The month is listed every hour, but for ten hours.
const REFRESH: i64 = 3600;
const HOURS: i64 = 31 * 24;
const UNLISTED: std::ops::Range<i64> = 300 * REFRESH + 1..310 * REFRESH;
/// Tenants whose changes are told by events at once, and tenants that are only listed.
const TOLD: i64 = 5;
const LISTED: i64 = 10;

/// The time of a second of March 2026, or of midnight after it.
fn time(second: i64) -> String {
    let (day, hour, minute) = (second / 86_400, second / 3_600 % 24, second / 60 % 60);
    if day == 31 {
        return "2026-04-01T00:00:00Z".to_owned();
    }
    format!("2026-03-{:02}T{hour:02}:{minute:02}:{:02}Z", day + 1, second % 60)
}

/// The second of the month, of a time as `time()` writes it.
fn second(time: &str) -> Result<i64> {
    let part =
        |range: std::ops::Range<usize>| -> Result<i64> { Ok(time.get(range).context("too short")?.parse()?) };
    Ok((part(8..10)? - 1) * 86_400 + part(11..13)? * 3_600 + part(14..16)? * 60 + part(17..19)?)
}

/// What happens to a bridge at a second of the month.
enum Happening {
    Status(&'static str),
    Moved(&'static str),
    Removed,
}

/// The changes of the month, in the order of time. Times are no multiples of the refresh interval. Outages of tenants that are
/// only listed last longer than it, and none begins or ends while nothing is listed.
fn changes() -> Vec<(i64, i64, Happening)> {
    use Happening::{Moved, Removed, Status};
    let mut all = Vec::new();
    for bridge in 1..=LISTED {
        for outage in 0..9 {
            let begins = 90_017 + outage * 270_023 + bridge * 7_919;
            let lasts =
                if bridge <= TOLD { 61 + outage * 613 * bridge } else { 2 * REFRESH + 41 + outage * 1_777 };
            let apart = begins > UNLISTED.end || begins + lasts < UNLISTED.start;
            if bridge <= TOLD || apart {
                all.push((begins, bridge, Status("disconnected")));
                all.push((begins + lasts, bridge, Status("connected")));
            }
        }
    }
    // Each of the first five has an outage while nothing is listed.
    for bridge in 1..=TOLD {
        all.push((UNLISTED.start + 9_000 + bridge, bridge, Status("disconnected")));
        all.push((UNLISTED.start + 10_000 + 7 * bridge, bridge, Status("connected")));
    }
    all.push((1_500_000, 11, Status("connected")));
    all.push((1_700_000, 12, Removed));
    all.push((1_801_234, 13, Moved("moved")));
    all.sort_by_key(|(second, ..)| *second);
    all
}

/// Seconds by customer_ref.
#[derive(Debug, Default)]
struct Truth {
    paired: i64,
    lived: i64,
    outages: i64,
    longest: i64,
    changes: i64,
}

/// What the sandbox recorded. Of tenants that are only listed, paired time counts only while they are.
fn truth(record: &[Value]) -> Result<BTreeMap<String, Truth>> {
    let mut all: BTreeMap<String, Truth> = BTreeMap::new();
    let mut bridges: BTreeMap<i64, Vec<&Value>> = BTreeMap::new();
    for change in record {
        bridges.entry(change["id"].as_i64().context("no id")?).or_default().push(change);
    }
    for (bridge, changes) in bridges {
        for (nth, change) in changes.iter().enumerate() {
            let Some(status) = change["status"].as_str() else { continue };
            let seconds = |change: &Value| second(change["at"].as_str().context("no time")?);
            let since = seconds(change)?;
            let until = changes.get(nth + 1).map_or(Ok(HOURS * REFRESH), |next| seconds(next))?;
            let unseen =
                if bridge > TOLD { until.min(UNLISTED.end) - since.max(UNLISTED.start - 1) } else { 0 };
            let seen = until - since - unseen.max(0);
            let tenant =
                all.entry(change["customer_ref"].as_str().context("no ref")?.to_owned()).or_default();
            tenant.lived += until - since;
            tenant.changes += 1;
            if status == "connected" {
                tenant.paired += seen;
            } else if status == "disconnected" {
                tenant.outages += 1;
                tenant.longest = tenant.longest.max(until - since);
            }
        }
    }
    Ok(all)
}

#[tokio::test]
async fn the_uptime_of_a_month_is_that_of_the_providers_own_record() -> Result<()> {
    let fleet = Fleet::start(&["--list-status", "--limit-other", "0", "--limit-floor", "0"])?;
    fleet.sandbox.stop_clock_at(&time(0)).await?;
    for bridge in 1..=13 {
        fleet.sandbox.add_one(&format!("t{bridge}"), if bridge == 11 { "qr" } else { "connected" }).await?;
    }
    let mut script = String::new();
    let mut changes = changes().into_iter().peekable();
    for hour in 0..=HOURS {
        let now = hour * REFRESH;
        while let Some((second, bridge, happening)) = changes.next_if(|(second, ..)| *second < now) {
            fleet.sandbox.stop_clock_at(&time(second)).await?;
            match happening {
                Happening::Status(status) => {
                    fleet.sandbox.change(bridge, json!({ "status": status })).await?;
                    if bridge <= TOLD {
                        let event = json!({ "event": status, "timestamp": time(second) });
                        writeln!(script, "SELECT wab_ingest_event('t{bridge}', '{event}');")?;
                    }
                }
                Happening::Moved(to) => fleet.sandbox.change(bridge, json!({ "customer_ref": to })).await?,
                Happening::Removed => fleet.sandbox.remove(bridge).await?,
            }
        }
        if UNLISTED.contains(&now) {
            continue;
        }
        writeln!(
            script,
            "SELECT o.observed_at FROM (SELECT array_agg(b.id) AS ids, array_agg(b.customer_ref) AS refs, array_agg(b.state) AS states,
                 array_agg(b.status) AS statuses, array_agg(b.created_at) AS created
             FROM jsonb_to_recordset('{}') AS b(id bigint, customer_ref text, state text, status text, created_at timestamptz)) l,
             wab_observe(l.ids, l.refs, l.states, l.statuses, l.created, '{}') o;",
            fleet.sandbox.listing().await?,
            time(now)
        )?;
    }
    let mut connection = fleet.connect().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await?;
    let truth = truth(&fleet.sandbox.record().await?)?;
    assert_eq!(truth["t1"].outages, 10, "{truth:?}");

    let rows = fleet.sql(&format!(
        "SELECT customer_ref, extract(epoch FROM paired)::bigint, extract(epoch FROM observed)::bigint, extract(epoch FROM lived)::bigint,
                outages, coalesce(extract(epoch FROM longest_outage), 0)::bigint, paired_share, coverage
         FROM wab_tenant_uptime('{}', '{}')",
        time(0),
        time(HOURS * REFRESH)
    ))?;
    assert_eq!(rows.lines().count(), 14, "{rows}");
    let unlisted = UNLISTED.end - UNLISTED.start + 1;
    for row in rows.lines() {
        let fields: Vec<_> = row.split('|').collect();
        let number = |nth: usize| fields[nth].parse::<i64>();
        let (tenant, record) = (fields[0], &truth[fields[0]]);
        let (paired, observed, lived) = (number(1)?, number(2)?, number(3)?);
        if tenant.len() == 2 && tenant[1..].parse::<i64>()? <= TOLD {
            assert_eq!(
                (paired, lived, observed),
                (record.paired, record.lived, record.lived),
                "{row} {record:?}"
            );
            assert_eq!((number(4)?, number(5)?), (record.outages, record.longest), "{row} {record:?}");
            assert_eq!(fields[7], "1.000000", "{row}");
            let share = format!("{:.7}", paired as f64 / lived as f64);
            assert_eq!(fields[6], &share[..8], "{row}");
            continue;
        }
        // A change is listed within one refresh interval; so is the end of a bridge, and a change of its tenant.
        let off = (paired - record.paired).abs();
        assert!(off <= record.changes * REFRESH, "{row} {record:?}");
        assert!((lived - record.lived).abs() < REFRESH, "{row} {record:?}");
        assert_eq!(number(4)?, record.outages, "{row} {record:?}");
        assert!((number(5)? - record.longest).abs() < REFRESH, "{row} {record:?}");
        assert_eq!(lived - observed, if tenant == "moved" { 0 } else { unlisted }, "{row}");
    }
    Ok(())
}

/// The lines of the server's log about provider calls.
fn announced(fleet: &Fleet) -> Result<Vec<String>> {
    let log = fleet.cluster.log()?;
    Ok(log.lines().filter(|line| line.contains("calls the provider")).map(str::to_owned).collect())
}

#[tokio::test]
async fn who_called_the_provider_is_recorded_and_a_failed_call_leaves_a_line_in_the_log() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    if fleet.install == Install::SqlOnly {
        return Ok(());
    }
    fleet.cluster.expect_in_log(&["the provider carried out a call that could not be recorded"]);
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        "CREATE ROLE eve LOGIN; GRANT wab_operator TO eve; GRANT SELECT, UPDATE ON tenants TO eve;
         INSERT INTO tenants (id, status) VALUES ('new', 'active'), ('late', 'active')",
    )?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=eve&application_name=desk");
    let psql = |sql: &str| {
        let mut psql = fleet.cluster.program("psql", DATABASE);
        psql.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql]);
        e2e::process::run(&mut psql)
    };
    let calls =
        "SELECT call, customer_ref, called_by, application_name, outcome FROM wab_calls ORDER BY call_id";
    for sql in [
        "SELECT * FROM wab_provision('new')",
        "SET ROLE wab_operator; SELECT wab_pair('new', '+1 555 000-7654')",
        "SELECT * FROM wab_logout('cust_05')",
        "SELECT * FROM wab_delete_instance((SELECT bridge_id FROM wab_bridges WHERE customer_ref = 'new'), 'new')",
    ] {
        let said = psql(sql)?;
        assert_eq!(said.code, 0, "{sql}: {}", said.stderr);
    }
    let answered = "provision|new|eve|desk|created\npair|new|eve|desk|code\nlogout|cust_05|eve|desk|disconnected\n\
                    delete|new|eve|desk|deleted";
    assert_eq!(fleet.sql(calls)?, answered);
    let history =
        fleet.sql("SELECT event, by_whom FROM wab_tenant_history('new') WHERE by_whom IS NOT NULL")?;
    assert_eq!(history, "provisioned|eve\npairing code|eve\ndeleted|eve");
    // A call that fails, one that is cancelled, and one that is rolled back leave no row, but a line each.
    let before = announced(&fleet)?.len();
    assert_eq!(before, 4, "{:?}", announced(&fleet)?);
    assert_ne!(psql("SELECT wab_pair('nobody', '15550008888')")?.code, 0);
    assert_eq!(psql("BEGIN; SELECT * FROM wab_logout('cust_06'); ROLLBACK")?.code, 0);
    fleet.sandbox.fault(json!({"path_prefix": "/api/instances/cust_07/", "kind": "hang"})).await?;
    let timed_out = psql("SET statement_timeout = '300ms'; SELECT * FROM wab_logout('cust_07')")?;
    assert!(timed_out.stderr.contains("statement timeout"), "{}", timed_out.stderr);
    fleet.sandbox.heal().await?;
    assert_eq!(fleet.sql(calls)?, answered);
    until("the log holds a line for each", async || {
        Ok((announced(&fleet)?.len() == before + 3).then_some(()))
    })
    .await?;
    let lines = announced(&fleet)?.join("\n");
    assert!(
        lines.contains("eve calls the provider: logout of tenant cust_07 (application_name: desk)"),
        "{lines}"
    );
    assert!(
        lines.contains(" of tenant new (application_name: desk)") && lines.contains("delete of bridge "),
        "{lines}"
    );
    // One that the provider carried out, and that could not be recorded, is said.
    let mut recorder = fleet.connect().await?;
    sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(_wab_lock_id('observe'))")
        .execute(&mut recorder)
        .await?;
    let unrecorded = psql("SET statement_timeout = '2s'; SELECT * FROM wab_logout('cust_08')")?;
    for said in [
        "statement timeout",
        "the provider carried out a call that could not be recorded",
        "logout for tenant cust_08",
    ] {
        assert!(unrecorded.stderr.contains(said), "{}", unrecorded.stderr);
    }
    fleet.sandbox.change(9, json!({"status": "qr"})).await?;
    let unrecorded = psql("SET statement_timeout = '2s'; SELECT wab_pair('cust_09', '15550001234')")?;
    assert!(unrecorded.stderr.contains("pair for tenant cust_09"), "{}", unrecorded.stderr);
    sqlx::raw_sql("COMMIT").execute(&mut recorder).await?;
    assert_eq!(fleet.sql(calls)?, answered);
    // The worker of the queue records a failed attempt too.
    fleet
        .sandbox
        .fault(json!({"method": "POST", "path_prefix": "/api/instances", "kind": "status", "code": 500}))
        .await?;
    fleet.sql("SELECT wab_enqueue_provision('late')")?;
    fleet.sql_error("CALL wab_work_queue()")?;
    fleet.sandbox.heal().await?;
    fleet.sql("UPDATE wab_queue SET claimed_until = NULL")?;
    fleet.sql("CALL wab_work_queue()")?;
    assert_eq!(
        fleet.sql(
            "SELECT call, called_by, outcome FROM wab_calls WHERE customer_ref = 'late' ORDER BY call_id"
        )?,
        "provision|postgres|failed: 08006\nprovision|postgres|provisioned"
    );
    // Phone number and key are neither in the table nor, of the calls that succeeded, in the log.
    let everything = fleet.sql("SELECT c::text FROM wab_calls c")? + &fleet.cluster.log()?;
    assert!(!everything.contains("0007654") && !everything.contains("000-7654"), "{everything}");
    assert!(!everything.contains(e2e::sandbox::KEY));
    // A role that could not leave a row is refused before the call.
    fleet.sql("REVOKE INSERT ON wab_calls FROM wab_operator")?;
    for sql in ["SELECT wab_pair('cust_08', '15550009999')", "SELECT * FROM wab_logout('cust_08')"] {
        let refused = psql(sql)?;
        assert!(
            refused.stderr.contains("wab_calls") && refused.stderr.contains("Nothing was sent"),
            "{}",
            refused.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_exports_uptime_costs_and_history_as_csv() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(include_str!("../../../sql/roles.sql"))?;
    fleet.sql(
        r#"CREATE ROLE ray LOGIN; GRANT wab_reader TO ray;
           UPDATE wab_bridges SET customer_ref = E'a, "b"\nc' WHERE bridge_id = 3"#,
    )?;
    let url = fleet.cluster.url(DATABASE).replace("user=postgres", "user=ray");
    let copied = |query: &str| {
        let mut psql = fleet.cluster.program("psql", DATABASE);
        psql.args(["-X", "-q", "-d", &url, "-c", &format!("\\copy ({query}) TO STDOUT csv header")]);
        e2e::process::must(&mut psql)
    };
    let uptime = copied("SELECT * FROM wab_tenant_uptime() WHERE customer_ref LIKE 'a%'")?;
    assert!(uptime.starts_with("customer_ref,paired_share,outages,"), "{uptime}");
    assert!(uptime.contains("\n\"a, \"\"b\"\"\nc\",1.000000,0,,"), "{uptime}");
    let costs = copied("SELECT * FROM wab_tenant_costs()")?;
    assert!(costs.contains("\n\"a, \"\"b\"\"\nc\",1,"), "{costs}");
    assert_eq!(costs.lines().count(), 22, "{costs}");
    let history = copied("SELECT event, bridge_id, by_whom, detail FROM wab_tenant_history('cust_04')")?;
    assert!(history.starts_with("event,bridge_id,by_whom,detail\nappeared,4,,paired\n"), "{history}");
    Ok(())
}
