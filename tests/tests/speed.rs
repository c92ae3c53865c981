//! Tests the promised speed as ratios within one run. It is a separate program, so that no other test takes its CPU time.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use anyhow::{Context, Result};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;
use e2e::sandbox::{KEY, Sandbox};

#[path = "speed/growth.rs"]
mod growth;

/// The number of pairs of runs. The contestants alternate, so that both meet the same noise of the machine.
const PAIRS: usize = 7;

fn seconds(run: impl Fn() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64())
}

/// The shortest of five times: other work on the machine only adds to one.
fn fastest(run: impl Fn() -> Result<()>) -> Result<f64> {
    let times = (0..5).map(|_| seconds(&run)).collect::<Result<Vec<_>>>()?;
    Ok(times.into_iter().fold(f64::INFINITY, f64::min))
}

/// The time of `theirs` divided by the time of `ours`: the median of the pairs, after one pair to warm up.
fn ratio(ours: impl Fn() -> Result<()>, theirs: impl Fn() -> Result<()>) -> Result<f64> {
    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        let (ours, theirs) = (seconds(&ours)?, seconds(&theirs)?);
        println!("ours {ours:.3} s, theirs {theirs:.3} s");
        if pair > 0 {
            ratios.push(theirs / ours);
        }
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[PAIRS / 2])
}

#[test]
fn listing_100_000_bridges_is_faster_than_curl_jq_psql() -> Result<()> {
    let fleet = Fleet::start(&["--seed", "100000", "--limit-other", "0", "--limit-floor", "0"])?;
    fleet.sql(
        "CREATE TABLE fetched (bridge_id bigint, customer_ref text, state text, created_at timestamptz)",
    )?;
    let pipeline = format!(
        "set -o pipefail; curl -sS --noproxy '*' -H 'Authorization: Bearer {KEY}' {}/api/instances \
         | jq -r '.[] | [.id, .customer_ref, .state, .created_at] | @tsv' \
         | psql -X -q -c 'TRUNCATE fetched' -c '\\copy fetched FROM pstdin' -c 'SELECT count(*) FROM fetched'",
        fleet.sandbox.url()
    );
    let theirs = || {
        let mut bash = std::process::Command::new("bash");
        bash.arg("-c").arg(&pipeline);
        for (key, value) in fleet.cluster.program("psql", DATABASE).get_envs() {
            bash.env(key, value.context("an unset variable")?);
        }
        let counted = process::must(&mut bash)?;
        anyhow::ensure!(counted.contains("100000"), "{counted}");
        Ok(())
    };
    let ours = || {
        let counted = fleet.sql("SELECT count(*) FROM wab_list_instances()")?;
        anyhow::ensure!(counted == "100000", "{counted}");
        Ok(())
    };
    let ratio = ratio(ours, theirs)?;
    println!("curl | jq | psql takes {ratio:.2} times as long as wab_list_instances()");
    // Tests are built without optimization and give about 2.5; make bench measures the optimized build.
    assert!(ratio > 1.5, "{ratio:.2}");
    Ok(())
}

#[test]
fn drift_of_100_000_tenants_is_one_pass() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'cust_' || n, 'active', n, 'paired' FROM generate_series(1, 100000) n;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''',
                                        webhook_url => '''https://app.example.com/'' || wab_url_encode(id)');
         SELECT o.bridges FROM (SELECT array_agg(n::bigint) AS ids, array_agg('cust_' || n) AS refs, array_agg('running'::text) AS states,
                array_agg('connected'::text) AS statuses, array_agg(now()) AS times FROM generate_series(1, 99000) n) a,
           wab_observe(a.ids, a.refs, a.states, a.statuses, a.times) o;
         ANALYZE",
    )?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift")?, "1000");
    let plan = fleet.sql("EXPLAIN (COSTS OFF) SELECT count(*) FROM wab_drift")?;
    let loops = plan
        .lines()
        .skip_while(|line| !line.contains("Nested Loop"))
        .filter(|line| line.trim_start().starts_with("->"));
    let outer: Vec<_> = loops.take(2).skip(1).collect();
    assert!(plan.matches("Nested Loop").count() <= 1, "{plan}");
    assert!(
        outer.iter().all(|line| line.contains("Function Scan on _wab_cutoffs")),
        "more than one row: {plan}"
    );
    for table in ["tenants", "wab_bridges b", "wab_declared d"] {
        assert_eq!(plan.matches(&format!("Seq Scan on {table}")).count(), 1, "{table} in {plan}");
    }
    // The webhook_url is computed for a joined row, not for each tenant before the join, which would carry it.
    let verbose = fleet.sql("EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM wab_drift")?;
    let scan = verbose.lines().skip_while(|line| !line.contains("Seq Scan on public.tenants")).nth(1);
    assert!(scan.is_some_and(|output| !output.contains("wab_url_encode")), "{verbose}");
    assert!(verbose.contains("wab_url_encode"), "{verbose}");
    let cost = fleet.sql("EXPLAIN (FORMAT json) SELECT kind, count(*) FROM wab_drift GROUP BY 1")?;
    let cost: serde_json::Value = serde_json::from_str(&cost)?;
    let total = cost[0]["Plan"]["Total Cost"].as_f64().unwrap_or(f64::MAX);
    assert!(
        total < 100_000.0,
        "the cost is above jit_above_cost, so PostgreSQL would JIT-compile the query: {total}"
    );
    Ok(())
}

/// With 3,000 bridges down and the history of a year, the list of what to repair and the incidents take no longer than the drift.
#[test]
fn the_lists_for_people_take_at_most_twice_as_long_as_the_drift() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'cust_' || n, 'active', n, 'paired' FROM generate_series(1, 100000) n;
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''');
         UPDATE wab_policy SET disconnected_after = '0', awaiting_scan_after = '0';
         SELECT o.bridges FROM (SELECT array_agg(n::bigint) AS ids, array_agg('cust_' || n) AS refs, array_agg('running'::text) AS states,
                array_agg(CASE WHEN n <= 2000 THEN 'disconnected' WHEN n <= 3000 THEN 'qr' ELSE 'connected' END) AS statuses,
                array_agg(now()) AS times FROM generate_series(1, 100000) n) a,
           wab_observe(a.ids, a.refs, a.states, a.statuses, a.times) o;
         INSERT INTO wab_nudges (customer_ref, channel, nudged_at)
         SELECT 'cust_' || n % 20000, 'email', now() - n * interval '10 minutes' FROM generate_series(1, 50000) n;
         INSERT INTO wab_pairing_codes (customer_ref, requested_at, valid_until)
         SELECT 'cust_' || n % 20000, now() - n * interval '10 minutes', now() FROM generate_series(1, 50000) n;
         INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, ended_at)
         SELECT 'disconnected', n % 100000, n % 100000, 'cust_' || n % 100000, false, at, at + interval '20 minutes'
         FROM generate_series(1, 300000) n, LATERAL (SELECT now() - n * interval '100 seconds' - interval '1 hour') AS t(at);
         ANALYZE",
    )?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_to_repair")?, "2000");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_to_nudge")?, "1000");
    let ratio = ratio(
        || fleet.sql("SELECT * FROM wab_to_repair").map(drop),
        || fleet.sql("SELECT * FROM wab_drift").map(drop),
    )?;
    println!("wab_drift takes {ratio:.2} times as long as wab_to_repair");
    assert!(ratio > 0.5, "{ratio:.2}");
    let recorded = std::time::Instant::now();
    fleet.sql("UPDATE wab_policy SET mass_share = 0.01; SELECT _wab_record_drift()")?;
    println!("recording 3,000 kinds of drift that begin together takes {:?}", recorded.elapsed());
    assert_eq!(
        fleet.sql("SELECT string_agg(bridges::text, ' ' ORDER BY bridges) FROM wab_incidents")?,
        "1000 2000"
    );
    // Each bridge has an incident of its own.
    fleet.sql("UPDATE wab_drift_episodes SET incident_id = NULL; ANALYZE wab_drift_episodes")?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_incidents WHERE severity <> 'info'")?, "3000");
    let ratio = self::ratio(
        || fleet.sql("SELECT * FROM wab_incidents").map(drop),
        || fleet.sql("SELECT * FROM wab_drift").map(drop),
    )?;
    println!("wab_drift takes {ratio:.2} times as long as wab_incidents");
    assert!(ratio > 0.5, "{ratio:.2}");
    Ok(())
}

/// Whether the planner has no statistics or those of an almost empty fleet: each view reads a table once, not once per row, and
/// PostgreSQL does not JIT-compile it.
#[test]
fn the_views_need_no_statistics() -> Result<()> {
    for statistics in ["", "ANALYZE"] {
        let fleet = Fleet::with(Sandbox::start(&[])?, &[("autovacuum", "off")])?;
        fleet.sql(&format!(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('tenants');
             INSERT INTO tenants VALUES ('cust_0');
             INSERT INTO wab_bridge_events (at, bridge_id, event, was, became) VALUES (now() - interval '1 year', 9, 'state', 'a', 'b');
             SELECT bridges FROM wab_observe('{{9}}', '{{cust_9}}', '{{running}}', '{{connected}}', ARRAY[now()]); {statistics};
             INSERT INTO tenants SELECT 'cust_' || n, n, 'paired' FROM generate_series(10, 5000) n;
             INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
             SELECT n, 'cust_' || n, 'running', 'paired', now() FROM generate_series(10, 5000) n;
             INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, was, became, since)
             SELECT now() - n * interval '1 min', n, 'cust_' || n, e, 'paired', 'disconnected', now() - interval '90 days'
             FROM generate_series(10, 5000) n, unnest('{{status,disappeared}}'::text[]) e;
             INSERT INTO wab_drift_episodes SELECT 'orphaned', n, n, NULL, true, now() - interval '9 days', now() FROM generate_series(10, 5000) n"
        ))?;
        let views = fleet.sql(
            "SELECT c.relname FROM pg_class c WHERE c.relkind = 'v' AND c.relname ~ '^wab_' AND c.relname <> 'wab_policy'",
        )?;
        assert!(views.lines().count() > 10, "{views}");
        for view in views.lines() {
            let plan = fleet.sql(&format!(
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM {view}"
            ))?;
            // PostgreSQL shows it only together with the costs.
            let costs = fleet.sql(&format!("EXPLAIN SELECT * FROM {view}"))?;
            assert!(!costs.contains("JIT:"), "{view} {statistics}: {costs}");
            let large = ["tenants", "wab_bridges", "wab_bridge_events", "wab_drift_episodes"];
            let again = |line: &&str| {
                large.iter().any(|table| line.contains(&format!("Seq Scan on {table} ")))
                    && line.contains("loops=")
                    && !line.contains("loops=1)")
            };
            let repeated: Vec<_> = plan.lines().filter(again).collect();
            assert!(repeated.is_empty(), "{view} {statistics} {repeated:#?}: {plan}");
        }
    }
    Ok(())
}

/// The result of a statement, and the number of sequential passes that it makes over the tenants table.
fn passes(fleet: &Fleet, statement: &str, size: u32) -> Result<String> {
    fleet.sql(&format!(
        "BEGIN; {statement};
         SELECT 'passes', seq_tup_read / {size} FROM pg_stat_xact_user_tables WHERE relname = 'tenants'; COMMIT"
    ))
}

/// A refresh reads the tenants table once, whether the list changed or not, and so does a reconcile. They find changed rows by
/// index.
#[tokio::test]
async fn drift_is_evaluated_once() -> Result<()> {
    const SIZE: u32 = 20_000;
    let fleet =
        Fleet::start(&["--list-status", "--seed", "20000", "--limit-other", "0", "--limit-floor", "0"])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants'); UPDATE wab_policy SET state_after = '0'; SELECT * FROM wab_refresh(force => true);
         INSERT INTO tenants SELECT customer_ref, bridge_id, status FROM wab_bridges;
         SELECT _wab_record_drift()",
    )?;
    fleet.sql("VACUUM ANALYZE")?;
    let refresh = "SELECT changed FROM wab_refresh()";
    assert_eq!(passes(&fleet, refresh, SIZE)?, "0\npasses|1");
    fleet.sandbox.change(7, serde_json::json!({"state": "stopped"})).await?;
    assert_eq!(passes(&fleet, refresh, SIZE)?, "1\npasses|1");
    fleet.sql("UPDATE tenants SET bridge_status = 'unknown' WHERE bridge_id IN (3, 5)")?;
    fleet.sandbox.change(7, serde_json::json!({"state": "running"})).await?;
    let reconcile = "SELECT count(*) FILTER (WHERE kind IN ('state', 'status_drift')) FROM wab_reconcile()";
    let spoilt = fleet.sql("SELECT count(*) FROM wab_drift WHERE kind = 'state'")?.parse::<u32>()?;
    assert_eq!(passes(&fleet, reconcile, SIZE)?, format!("{}\npasses|1", spoilt - 1));
    assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "0");
    Ok(())
}

/// If every row drifts and the planner expects no drift, recording the drift takes at most ten times as long as counting it.
#[test]
fn recording_drift_takes_time_in_proportion_to_the_drift() -> Result<()> {
    let fleet = Fleet::with(Sandbox::start(&[])?, &[("autovacuum", "off")])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants');
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
         SELECT n, 'cust_' || n, 'running', 'paired', now() FROM generate_series(1, 5000) n;
         INSERT INTO tenants SELECT customer_ref, bridge_id, 'unknown' FROM wab_bridges;
         ANALYZE tenants; ANALYZE wab_bridges",
    )?;
    let count = || fleet.sql("SELECT count(*) FROM wab_drift").map(drop);
    // The planner's statistics are from a time when all drift had ended.
    fleet.sql(
        "INSERT INTO wab_drift_episodes SELECT 'state', n, n, NULL, false, now(), now() FROM generate_series(1, 5000) n;
         ANALYZE wab_drift_episodes",
    )?;
    assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, "5000");
    let note = || fleet.sql("SELECT _wab_record_drift()").map(drop);
    let ratio = ratio(count, note)?;
    println!("recording takes {ratio:.1} times as long as counting");
    assert!(ratio < 10.0, "{ratio:.1}");
    Ok(())
}

/// A first refresh finds that all bridges drift, before PostgreSQL has counted the rows of any table.
#[test]
fn the_first_drift_of_a_new_fleet_is_recorded_in_proportion_to_its_size() -> Result<()> {
    let first = |bridges: u32| -> Result<f64> {
        let fleet = Fleet::with(Sandbox::start(&[])?, &[("autovacuum", "off")])?;
        fleet.sql(&format!(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('tenants');
             INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
             SELECT n, 'cust_' || n, 'running', 'paired', now() FROM generate_series(1, {bridges}) n"
        ))?;
        let start = Instant::now();
        assert_eq!(fleet.sql("SELECT _wab_record_drift()")?, bridges.to_string());
        Ok(start.elapsed().as_secs_f64())
    };
    let ratio = first(10_000)? / first(1_000)?;
    println!("ten times as many bridges take {ratio:.1} times as long");
    assert!(ratio < 25.0, "{ratio:.1}");
    Ok(())
}

/// While outages begin on many bridges, a webhook of one more reads no whole fleet.
#[test]
fn a_webhook_of_an_outage_takes_as_long_in_a_large_fleet() -> Result<()> {
    let outages = |bridges: u32| -> Result<f64> {
        let fleet = Fleet::start(&[])?;
        fleet.sql(&format!(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('tenants');
             INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, status_listed, first_seen_at)
             SELECT n, 'cust_' || n, 'running', 'paired', true, now() - interval '1 day' FROM generate_series(1, {bridges}) n;
             INSERT INTO tenants SELECT customer_ref, bridge_id, status FROM wab_bridges"
        ))?;
        fleet.sql("VACUUM ANALYZE")?;
        let begin = |first: u32| {
            let tell = "wab_ingest_event('cust_' || n, '{\"event\": \"disconnected\"}')";
            fleet.sql(&format!("SELECT {tell} FROM generate_series({first}, {first} + 99) n")).map(drop)
        };
        begin(1)?;
        seconds(|| begin(101))
    };
    let ratio = outages(150_000)? / outages(3_000)?;
    println!("in a fleet fifty times as large they take {ratio:.1} times as long");
    assert!(ratio < 2.5, "{ratio:.1}");
    Ok(())
}

/// Amid a restart of the provider, a webhook does not count the outages before it.
#[test]
fn a_webhook_amid_a_restart_takes_little_longer() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants');
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, status_listed, first_seen_at)
         SELECT n, 'cust_' || n, 'running', 'paired', true, now() - interval '1 day' FROM generate_series(1, 60000) n;
         INSERT INTO tenants SELECT customer_ref, bridge_id, status FROM wab_bridges;
         INSERT INTO wab_drift_episodes (kind, subject, bridge_id, customer_ref, wasted, began_at, incident_id)
         SELECT 'status_drift', n, n, 'cust_' || n, false, now(), CASE WHEN n > 1 THEN 1 END FROM generate_series(1, 20000) n",
    )?;
    let restarted = |ago: &str, first: u32| -> Result<f64> {
        fleet.sql(&format!(
            "UPDATE wab_drift_episodes SET began_at = now() - interval '{ago}' WHERE bridge_id <= 20000"
        ))?;
        fleet.sql("VACUUM ANALYZE")?;
        let tell = "wab_ingest_event('cust_' || n, '{\"event\": \"disconnected\"}')";
        let tell = format!("SELECT count({tell}) FROM generate_series({first}, {first} + 99) n");
        seconds(|| fleet.sql(&tell).map(drop))
    };
    let (long_ago, now) = (restarted("1 day", 30_000)?, restarted("1 minute", 40_000)?);
    println!("a hundred webhooks take {long_ago:.2} s, and {now:.2} s amid a restart");
    assert_eq!(
        fleet.sql("SELECT count(*) FROM wab_drift_episodes WHERE bridge_id > 40000 AND incident_id = 1")?,
        "99"
    );
    assert!(now < 2.0 * long_ago, "{now:.2} s, {long_ago:.2} s");
    Ok(())
}

/// The views call a function for each bridge whose status changed lately. PostgreSQL plans its query once, not at each call. The
/// views do not call it for a bridge that has had one status only.
#[test]
fn drift_right_after_all_statuses_changed_takes_little_longer() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants');
         INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
         SELECT n, 'cust_' || n, 'running', 'paired', now() FROM generate_series(1, 20000) n;
         INSERT INTO tenants SELECT customer_ref, bridge_id, status FROM wab_bridges",
    )?;
    let read = |since: &str, seen: &str| -> Result<f64> {
        fleet.sql(&format!("UPDATE wab_bridges SET status_since = {since}, first_seen_at = {seen}"))?;
        fleet.sql("VACUUM ANALYZE")?;
        // The drift as wab_refresh() reads it.
        fastest(|| fleet.sql("SELECT count(*) FROM _wab_drift_rows()").map(drop))
    };
    let day = "now() - interval '1 day'";
    let (long_ago, new, changed) = (read(day, day)?, read("now()", "now()")?, read("now()", day)?);
    println!("{long_ago:.3} s; of new bridges {new:.3} s; of changed ones {changed:.3} s");
    assert!(new < 3.0 * long_ago);
    assert!(changed < 30.0 * long_ago);
    Ok(())
}

/// Years of bridges that came and went do not make the costs a search per bridge.
#[test]
fn the_costs_search_the_history_once() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
         SELECT n, 'cust_' || n, 'running', 'paired', now() - interval '1 day' FROM generate_series(1, 30000) n;
         INSERT INTO wab_bridge_events (at, bridge_id, customer_ref, event, since)
         SELECT now() - interval '40 days', n, 'gone_' || n, 'disappeared', now() - interval '60 days'
         FROM generate_series(100001, 400000) n;
         ANALYZE",
    )?;
    let count = || fleet.sql("SELECT count(*) FROM wab_bridge_events").map(drop);
    let cost = || {
        let bridges = fleet.sql("SELECT max(bridges) FROM wab_costs")?;
        anyhow::ensure!(bridges == "300000", "{bridges}");
        Ok(())
    };
    let ratio = seconds(cost)? / seconds(count)?;
    println!("the costs take {ratio:.0} times as long as counting the history");
    assert!(ratio < 300.0, "{ratio:.0}");
    Ok(())
}

#[test]
fn the_views_find_one_tenant_by_index() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    for (kind, id) in [("text", "'cust_' || n"), ("bigint", "n"), ("uuid", "md5(n::text)::uuid")] {
        fleet.sql(&format!(
            "DROP TABLE IF EXISTS tenants CASCADE; TRUNCATE wab_bridges, wab_observations;
             CREATE TABLE tenants (id {kind} PRIMARY KEY, bridge_id bigint, bridge_status text);
             INSERT INTO tenants SELECT {id}, n, 'paired' FROM generate_series(1, 20000) n;
             SELECT * FROM wab_bind_tenants('tenants');
             INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, first_seen_at)
             SELECT bridge_id, id::text, 'running', 'paired', now() FROM tenants"
        ))?;
        fleet.sql("ANALYZE")?;
        let one = fleet.sql("SELECT id FROM tenants WHERE bridge_id = 500")?;
        for view in
            ["wab_fleet", "wab_drift", "wab_missing_bridges", "wab_status_drift", "wab_churned_bridges"]
        {
            let plan =
                fleet.sql(&format!("EXPLAIN (COSTS OFF) SELECT * FROM {view} WHERE tenant_id = '{one}'"))?;
            for table in ["tenants", "wab_bridges"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{view}, {kind}: {plan}");
            }
        }
    }
    Ok(())
}

/// PostgreSQL evaluates a condition as often as the view contains it, so wab_drift must not repeat the conditions of wab_fleet.
#[test]
fn drift_repeats_no_condition_of_the_fleet() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text); SELECT * FROM wab_bind_tenants('tenants')",
    )?;
    let conditions = |view: &str| -> Result<usize> {
        let plan = fleet.sql(&format!("EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM {view}"))?;
        Ok(plan.matches("_wab_serves(").count())
    };
    let (drift, fleet) = (conditions("wab_drift")?, conditions("wab_fleet")?);
    assert!(fleet > 0 && drift == fleet, "{drift} and {fleet}");
    Ok(())
}

/// PostgreSQL inlines the function, so a query that does not use the column `raw` builds no jsonb.
#[test]
fn a_list_makes_only_what_is_asked_for() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    let plan = |columns: &str| {
        fleet.sql(&format!("EXPLAIN (VERBOSE, COSTS OFF) SELECT {columns} FROM wab_list_instances() l"))
    };
    let count = plan("count(*)")?;
    assert!(count.contains("Function Scan on public._wab_list_rows"), "{count}");
    assert!(!count.contains("_wab_row_json") && plan("raw")?.contains("_wab_row_json"), "{count}");
    Ok(())
}
