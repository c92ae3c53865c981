//! Tests the incidents: which ones a person sees after eight hours of statuses, by expectations written by hand.
//!
//! A series has one bridge, and one letter a minute: what the listing says about it. Time passes by moving all stored times into
//! the past.

use std::fmt::Write;

use anyhow::{Context, Result};
use e2e::fleet::Fleet;

/// The minutes of a series.
const MINUTES: usize = 480;
/// The minutes in which nobody observes the fleet.
const GAP: std::ops::Range<usize> = 300..330;

/// One bridge: its name, its statuses, and its incidents as "kind begin-end xEPISODES". Numbers are minutes.
///
/// `p` paired, `d` disconnected, `q` waits for a scan, `x` a word that is not mapped, `r` the container restarts, `.` listed
/// without a status, `s` not listed. `*` fills the series up.
const SERIES: &[(&str, &str, &[&str])] = &[
    ("paired all the time", "p*", &[]),
    ("down for less than the grace", "p60 d14 p*", &[]),
    ("down for a minute more than the grace", "p60 d16 p*", &["disconnected 75-76"]),
    ("down for an hour", "p60 d60 p*", &["disconnected 75-120"]),
    ("down until the end", "p60 d*", &["disconnected 75-"]),
    ("down from the start", "d*", &["disconnected 15-"]),
    ("down again after 5 minutes", "p60 d60 p5 d60 p*", &["disconnected 75-185 x2"]),
    ("down again after 9 minutes", "p60 d60 p9 d60 p*", &["disconnected 75-189 x2"]),
    ("down again after 12 minutes", "p60 d60 p12 d60 p*", &["disconnected 75-120", "disconnected 147-192"]),
    ("down again after an hour", "p60 d60 p60 d60 p*", &["disconnected 75-120", "disconnected 195-240"]),
    ("down for a few minutes after an outage", "p60 d60 p5 d10 p*", &["disconnected 75-120"]),
    // In the gap it had fewer changes.
    ("14 minutes down, 1 up", "p30 (d14 p1)30", &["flapping 60- x2"]),
    // It was down before the gap and after it.
    ("every 2 minutes", "(p2 d2)120", &["disconnected 330-332", "flapping 10-"]),
    ("every minute", "(p1 d1)240", &["flapping 5-"]),
    ("an hour of flaps", "(p2 d2)15 p*", &["flapping 10-112"]),
    ("flaps that come back within ends_after", "(p2 d2)5 p70 (d2 p2)5 p*", &["flapping 10-160 x2"]),
    ("flaps that come back later", "(p2 d2)5 p180 (d2 p2)5 p*", &["flapping 10-72", "flapping 208-270"]),
    ("four changes", "p60 d5 p5 d5 p*", &[]),
    ("five changes in more than an hour", "p60 d14 p30 d14 p30 d14 p*", &[]),
    ("20 minutes down, 5 up", "p60 (d20 p5)4 p*", &["disconnected 75-155 x4", "flapping 110-165 x3"]),
    ("never paired", "q*", &["awaiting_scan 120-"]),
    ("paired in time", "q100 p*", &[]),
    ("paired late", "q200 p*", &["awaiting_scan 120-200"]),
    ("unpaired later", "p60 q*", &["disconnected 75-"]),
    ("never paired, and the session closes", "q130 d10 q*", &["awaiting_scan 120-"]),
    ("down, then waits for a scan", "p60 d30 q30 p*", &["disconnected 75-120"]),
    ("the container restarts", "p60 r3 p*", &[]),
    ("the container stays down", "p60 r30 p*", &["state 65-90"]),
    ("the container goes down again", "p60 r30 p5 r30 p*", &["state 65-125 x2"]),
    ("a word that is not mapped", "p60 x30 p*", &["unmapped_status 60-90"]),
    ("never a word that is mapped", "x*", &["unmapped_status 0-"]),
    ("the listing says no status while it is down", "p60 d5 .30 p*", &["disconnected 75-95"]),
    ("the listing says no status", "p60 .60 p*", &[]),
    ("gone", "p60 s60 p*", &["missing 60-120"]),
    ("gone for 10 minutes", "p60 s10 p*", &[]),
    ("down, then gone", "p60 d60 s60 p*", &["disconnected 75-120", "missing 120-180"]),
    ("down within the gap", "p305 d*", &["disconnected 345-"]),
    ("due within the gap", "p290 d*", &["disconnected 330-"]),
    ("well again within the gap", "p250 d65 p*", &["disconnected 265-330"]),
    ("down and well again within the gap", "p305 d15 p*", &[]),
    ("events, doubled and late", ".*", &["disconnected 75-103"]),
    ("four changes by doubled events", ".*", &[]),
    ("late events show six changes", ".*", &["flapping 71-117"]),
];

/// The series of an event, the minute in which it arrives, how many minutes ago it happened, and the event. Without the minutes
/// it is a copy of the event of this name that the history has.
const EVENTS: &[(&str, usize, Option<usize>, &str)] = &[
    ("events, doubled and late", 10, Some(0), "connected"),
    ("events, doubled and late", 60, Some(0), "disconnected"),
    ("events, doubled and late", 61, None, "disconnected"),
    ("events, doubled and late", 103, Some(3), "connected"),
    ("events, doubled and late", 110, Some(15), "disconnected"),
    ("four changes by doubled events", 10, Some(0), "connected"),
    ("four changes by doubled events", 60, Some(0), "disconnected"),
    ("four changes by doubled events", 62, None, "disconnected"),
    ("four changes by doubled events", 63, Some(0), "connected"),
    ("four changes by doubled events", 65, None, "connected"),
    ("four changes by doubled events", 66, Some(0), "disconnected"),
    ("four changes by doubled events", 68, Some(0), "connected"),
    ("four changes by doubled events", 69, None, "connected"),
    ("late events show six changes", 10, Some(0), "connected"),
    ("late events show six changes", 60, Some(0), "disconnected"),
    ("late events show six changes", 61, Some(0), "connected"),
    ("late events show six changes", 65, Some(0), "disconnected"),
    ("late events show six changes", 66, Some(0), "connected"),
    ("late events show six changes", 70, Some(15), "disconnected"),
    ("late events show six changes", 71, Some(14), "connected"),
];

/// One letter a minute.
fn letters(series: &str) -> String {
    let mut all = String::new();
    let mut group: Option<String> = None;
    for word in series.split_whitespace() {
        let opened = word.strip_prefix('(');
        if opened.is_some() {
            group = Some(String::new());
        }
        let (run, repeat) = match opened.unwrap_or(word).split_once(')') {
            Some((run, times)) => (run, times.parse().ok()),
            None => (opened.unwrap_or(word), None),
        };
        let letter = &run[..1];
        let into = group.as_mut().unwrap_or(&mut all);
        match run[1..].parse() {
            Ok(minutes) => into.push_str(&letter.repeat(minutes)),
            Err(_) => into.push_str(&letter.repeat(MINUTES - into.len())),
        }
        if let Some(times) = repeat {
            all.push_str(&group.take().unwrap_or_default().repeat(times));
        }
    }
    assert_eq!(all.len(), MINUTES, "{series}");
    all
}

/// `pass` moves every stored time into the past. A minute has a little more than 60 seconds, so that a grace of 15 minutes is over
/// after 15 of them. `play` stores a listing each minute, and the events that arrive in it.
const PLAY: &str = r"
CREATE TABLE arrivals (minute integer, customer_ref text, ago integer, event text);
CREATE PROCEDURE pass(span interval) LANGUAGE plpgsql AS $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT c.relname, string_agg(format('%1$I = %1$I - $1', a.attname), ', ') AS moved
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                WHERE c.relname ~ '^_?wab_' AND c.relkind = 'r' AND a.atttypid = 'timestamptz'::regtype
                  AND NOT a.attisdropped GROUP BY c.relname LOOP
        EXECUTE format('UPDATE %I SET %s', part.relname, part.moved) USING span;
    END LOOP;
END $$;
CREATE PROCEDURE play(series text[], gap int4range) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    passed  interval := '0';
    ahead   interval;
BEGIN
    FOR nth IN 0 .. length(series[1]) - 1 LOOP
        IF NOT nth <@ gap THEN
            PERFORM wab_observe(array_agg(n.one), array_agg('t' || n.one),
                                array_agg(CASE l.letter WHEN 'r' THEN 'restarting' ELSE 'running' END),
                                array_agg(CASE l.letter WHEN 'p' THEN 'connected' WHEN 'r' THEN 'connected'
                                          WHEN 'd' THEN 'disconnected' WHEN 'q' THEN 'qr' WHEN 'x' THEN 'syncing' END),
                                array_agg(NULL::timestamptz), force => true)
            FROM generate_series(1, cardinality(series)) AS n(one),
                 LATERAL (SELECT substr(series[n.one], nth + 1, 1)) AS l(letter) WHERE l.letter <> 's';
        END IF;
        PERFORM wab_ingest_event(a.customer_ref, jsonb_build_object('event', a.event), coalesce(
            clock_timestamp() - make_interval(mins => a.ago),
            (SELECT max(e.at) FROM wab_bridge_events e
             WHERE e.customer_ref = a.customer_ref AND e.became = wab_normalize_status(a.event))))
        FROM arrivals a WHERE a.minute = nth;
        IF NOT nth <@ gap THEN
            PERFORM _wab_record_drift();
        END IF;
        -- A minute more than the longest window in which observations count, so that moving them stays quick.
        DELETE FROM wab_observations o WHERE o.observed_at < now() - interval '16 minutes';
        -- The time that this took counts too, so that a slow machine has the same minutes.
        ahead := (nth + 1) * interval '60.05 seconds' - (clock_timestamp() - started) - passed;
        passed := passed + ahead;
        CALL pass(ahead);
        COMMIT;
    END LOOP;
END $$;";

/// A database with a tenant per series, and what `PLAY` creates.
fn stage(tenants: usize, policy: &str) -> Result<Fleet> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(PLAY)?;
    fleet.sql(&format!(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 't' || n, n FROM generate_series(1, {tenants}) n;
         SELECT wab_bind_tenants('tenants');
         UPDATE wab_policy SET {policy}"
    ))?;
    Ok(fleet)
}

/// The incidents of a tenant as in `SERIES`, in order of kind and time. Those of rows that nobody writes are left out.
fn incidents(fleet: &Fleet) -> Result<Vec<(String, String)>> {
    let minute = |column: &str| format!("{MINUTES} - round(extract(epoch FROM now() - {column}) / 60.05)");
    let said = fleet.sql(&format!(
        "SELECT coalesce(customer_ref, bridges || ' bridges') || ':' || kind || ' ' || {} || '-' || coalesce(({})::text, '')
                || CASE WHEN episodes > bridges THEN ' x' || episodes ELSE '' END
         FROM wab_incident_history WHERE severity <> 'info' ORDER BY kind, began_at, customer_ref",
        minute("began_at"),
        minute("ended_at")
    ))?;
    said.lines()
        .map(|line| {
            line.split_once(':').map(|(who, what)| (who.to_owned(), what.to_owned())).context("no colon")
        })
        .collect()
}

fn play(fleet: &Fleet, series: &[String]) -> Result<()> {
    let quoted: Vec<String> = series.iter().map(|letters| format!("'{letters}'")).collect();
    fleet.sql(&format!("CALL play(ARRAY[{}], int4range({}, {}))", quoted.join(", "), GAP.start, GAP.end))?;
    Ok(())
}

#[test]
fn each_series_of_statuses_has_the_incidents_that_a_person_expects() -> Result<()> {
    let fleet = stage(SERIES.len(), "mass_bridges = 1000, awaiting_scan_after = '2 hours'")?;
    for (name, minute, ago, event) in EVENTS {
        let nth = 1 + SERIES.iter().position(|(other, ..)| other == name).context("no such series")?;
        let ago = ago.map_or("NULL".to_owned(), |ago| ago.to_string());
        fleet.sql(&format!("INSERT INTO arrivals VALUES ({minute}, 't{nth}', {ago}, '{event}')"))?;
    }
    play(&fleet, &SERIES.iter().map(|(_, series, _)| letters(series)).collect::<Vec<_>>())?;
    let found = incidents(&fleet)?;
    let mut wrong = String::new();
    for (nth, (name, series, expected)) in SERIES.iter().enumerate() {
        let tenant = format!("t{}", nth + 1);
        let has: Vec<&str> =
            found.iter().filter(|(who, _)| *who == tenant).map(|(_, what)| what.as_str()).collect();
        if has != *expected {
            writeln!(wrong, "{name} ({series}): {has:?} instead of {expected:?}")?;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Flaps are one incident, and each is one row of the history.
    assert_eq!(
        fleet.sql("SELECT count(*) FILTER (WHERE event = 'status'), count(*) FROM wab_bridge_events WHERE bridge_id = 13")?,
        "223|224"
    );
    // The present ones are those without an end, and recovering ones.
    let open: Vec<String> = found
        .iter()
        .filter(|(_, what)| what.contains("- x") || what.ends_with('-'))
        .map(|(who, _)| who.clone())
        .collect();
    let shown = fleet.sql("SELECT customer_ref FROM wab_incidents WHERE severity <> 'info' ORDER BY kind, began_at, customer_ref")?;
    assert_eq!(shown.lines().collect::<Vec<_>>(), open);
    Ok(())
}

/// Of 60 bridges, all are down from minute 60 on, and all but three are well again at 100; from minute 200 on the
/// provider restarts six containers a minute for 20 minutes each.
#[test]
fn what_turns_bad_together_is_one_incident() -> Result<()> {
    let fleet = stage(60, "mass_share = 0.1")?;
    let series: Vec<String> = (0..60)
        .map(|nth| {
            let outage = if nth < 3 { "p60 d140" } else { "p60 d40 p100" };
            let restart = 200 + nth / 6;
            letters(&format!("{outage} p{} r20 p*", restart - 200))
        })
        .collect();
    play(&fleet, &series)?;
    let found: Vec<String> =
        incidents(&fleet)?.into_iter().map(|(who, what)| format!("{who}: {what}")).collect();
    assert_eq!(found, ["60 bridges: disconnected 75-200", "60 bridges: state 205-229"]);
    Ok(())
}

/// The rules of fleet.yaml are shown by the plan, stored by apply, and then there is nothing left to do.
#[tokio::test]
async fn fleet_yaml_sets_the_rules_of_incidents() -> Result<()> {
    let fleet = crate::world::healthy(&[]).await?;
    let rules = |rules: &str| {
        fleet.fleet_yaml(&format!(
            "tenants: {{ table: public.tenants, wanted: status = 'active' }}\npolicy: {{ flapping_changes: 7, mass_share: 20%, \
             mass_window: 30m, incidents: [ {rules} ] }}\n"
        ))
    };
    rules("{ kind: disconnected, ends_after: 20m, severity: warning }, { kind: orphaned, alerts: false }")?;
    let said = fleet.wab(&["plan"])?;
    for part in [
        "policy.incidents disconnected",
        "warning, begins after 00:00:00, ends after 00:20:00",
        "policy.flapping_changes",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}{}", said.stdout, said.stderr);
    }
    let stored = "SELECT string_agg(concat_ws(' ', kind, severity, ends_after, alerts), ', ' ORDER BY kind) FROM _wab_incident_policy";
    assert_eq!(fleet.sql(stored)?, "", "a plan stores nothing");
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(fleet.sql(stored)?, "disconnected warning 00:20:00, orphaned f");
    assert_eq!(
        fleet.sql("SELECT flapping_changes, mass_share, mass_window FROM wab_policy")?,
        "7|0.200|00:30:00"
    );
    assert_eq!(fleet.wab(&["plan", "--detailed-exitcode"])?.code, 0);
    // What the rule leaves out has its default again; a kind that is not listed stays.
    rules("{ kind: disconnected }")?;
    let said = fleet.wab(&["apply", "-y"])?;
    assert_eq!(
        (said.code, fleet.sql(stored)?),
        (0, "orphaned f".to_owned()),
        "{}{}",
        said.stdout,
        said.stderr
    );
    rules("{ kind: disconected }")?;
    let said = fleet.wab(&["plan"])?;
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("names the kind disconected, which is none"), "{}", said.stderr);
    Ok(())
}

/// A listing in which one status changed writes the observation, the bridge, the event, and an episode that begins or ends. The
/// incidents add no more than an episode of flapping.
#[test]
fn a_flip_writes_at_most_two_rows_more_for_the_incidents() -> Result<()> {
    let fleet = stage(3, "disconnected_after = '0'")?;
    let written = |status: &str| -> Result<u32> {
        let said = fleet.sql(&format!(
            "BEGIN; SELECT changed FROM wab_observe('{{1,2,3}}', '{{t1,t2,t3}}', array_fill('running'::text, '{{3}}'),
                    '{{{status},connected,connected}}', array_fill(NULL::timestamptz, '{{3}}'));
             SELECT _wab_record_drift();
             SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables WHERE relname ~ '^_?wab_';
             COMMIT"
        ))?;
        Ok(said.lines().last().context("no rows")?.parse()?)
    };
    written("connected")?;
    // The tenants' rows hold no status, so that status_drift lasts; disconnected begins and ends.
    let rows: Vec<u32> =
        (0..10).map(|nth| written(["disconnected", "connected"][nth % 2])).collect::<Result<_>>()?;
    assert!(rows.iter().all(|rows| *rows <= 6), "{rows:?}");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_incidents WHERE kind = 'flapping'")?, "1");
    Ok(())
}
