//! Tests that polling asks every bridge within one and a half rounds, whatever share of the fleet is down.

use anyhow::Result;
use e2e::fleet::{Fleet, Install};
use serde_json::json;

/// When a bridge went down. The polls begin at midnight after 2026-01-01.
const LONG_AGO: &str = "2026-01-01";
const JUST_NOW: &str = "2026-01-02";

/// A fleet of `n` bridges of which the first `down` have been disconnected since then, all asked once.
fn down(fleet: &Fleet, n: u32, down: u32, since: &str) -> Result<()> {
    fleet
        .sql(&format!(
            "TRUNCATE wab_bridges;
             INSERT INTO wab_bridges (bridge_id, customer_ref, state, status, raw_status, first_seen_at, status_since, status_observed_at,
                                      status_asked_at)
             SELECT n, 'c' || n, 'running', w.status, w.status, '2026-01-01', '{since}', '2026-01-02', '2026-01-02'
             FROM generate_series(1, {n}) n, LATERAL (SELECT CASE WHEN n <= {down} THEN 'disconnected' ELSE 'paired' END AS status) w;
             ANALYZE wab_bridges"
        ))
        .map(drop)
}

/// Polls once a minute, `calls` bridges each time, for `rounds` rounds. Returns the most rounds that a bridge waited.
fn longest_wait(fleet: &Fleet, calls: u32, rounds: u32) -> Result<u32> {
    fleet.sql(&format!(
        "DO $$
         DECLARE
             at   timestamptz := '2026-01-02';
             used integer;
         BEGIN
             CREATE TEMPORARY TABLE asked (bridge_id bigint, round integer);
             FOR round IN 1 .. {rounds} LOOP
                 at := at + interval '1 minute';
                 WITH chosen AS (
                     UPDATE wab_bridges b SET status_asked_at = at FROM _wab_poll_candidates({calls}, at => at) c
                     WHERE b.bridge_id = c.bridge_id RETURNING b.bridge_id)
                 INSERT INTO asked SELECT c.bridge_id, round FROM chosen c;
                 GET DIAGNOSTICS used = ROW_COUNT;
                 ASSERT used = least({calls}, (SELECT count(*) FROM wab_bridges)), 'not all calls were used';
             END LOOP;
         END
         $$;
         SELECT max(w.waited) FROM (
             SELECT a.round - lag(a.round) OVER (PARTITION BY a.bridge_id ORDER BY a.round) AS waited
             FROM (SELECT * FROM asked UNION ALL SELECT b.bridge_id, r.round FROM wab_bridges b, (VALUES (0), ({rounds} + 1)) r(round)) a) w"
    ))
    .and_then(|waited| Ok(waited.parse()?))
}

#[test]
fn every_bridge_is_asked_within_one_and_a_half_rounds() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    for (n, calls) in [(100, 1), (100, 2), (100, 7), (100, 60), (1_000, 60), (1_000, 100), (10_000, 1_500)] {
        // Those that went down just now are asked again most often.
        for (share, since) in [0, 10, 50, 90].iter().flat_map(|share| [(share, LONG_AGO), (share, JUST_NOW)])
        {
            down(&fleet, n, n * share / 100, since)?;
            let bound = (n * 3).div_ceil(calls * 2);
            let waited = longest_wait(&fleet, calls, 2 * bound + 2)?;
            assert!(
                waited <= bound,
                "{n} bridges, {share} % down since {since}, {calls} calls: a bridge waited {waited} rounds, the bound is {bound}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_bridge_that_just_went_down_is_asked_in_the_next_round_and_less_often_later() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    down(&fleet, 1_000, 0, LONG_AGO)?;
    let asked = |after: &str| -> Result<String> {
        fleet.sql(&format!(
            "UPDATE wab_bridges SET status = 'disconnected', status_since = timestamptz '2026-01-02' - interval '{after}' WHERE bridge_id = 1000;
             SELECT count(*) FROM generate_series(1, 60) m, _wab_poll_candidates(30, at => '2026-01-02 00:00'::timestamptz + interval '1 minute' * m) c
             WHERE c.bridge_id = 1000"
        ))
    };
    // Its last answer was at midnight: a minute later it is due again after a short outage, and later after a long one.
    assert_eq!((asked("0 minutes")?.as_str(), asked("5 hours")?.as_str()), ("60", "27"));
    assert_eq!(asked("30 days")?, "1");
    // The first calls of a round are fair already, because a poll may end early.
    down(&fleet, 100, 50, LONG_AGO)?;
    fleet.sql("UPDATE wab_bridges SET status_since = '2026-01-02' WHERE status = 'disconnected'; UPDATE wab_bridges SET status_asked_at = status_asked_at - interval '1 day' WHERE status = 'paired'")?;
    for first in [3, 6, 30] {
        assert_eq!(
            fleet.sql(&format!(
                "SELECT count(*) FROM (SELECT b.status FROM _wab_poll_candidates(60, at => '2026-01-02 01:00') WITH ORDINALITY c(id, customer_ref, nth)
                 JOIN wab_bridges b ON b.bridge_id = c.id WHERE c.nth <= {first}) f WHERE f.status = 'disconnected'"
            ))?,
            (first / 3).to_string()
        );
    }
    Ok(())
}

/// Lets a minute pass for the stored times.
const A_MINUTE_LATER: &str = "
    UPDATE wab_bridges SET status_asked_at = status_asked_at - interval '1 minute',
                           status_observed_at = status_observed_at - interval '1 minute', status_since = status_since - interval '1 minute'";

#[tokio::test]
async fn a_bridge_that_disconnects_is_noticed_while_many_others_are_down() -> Result<()> {
    if Install::from_environment()? == Install::SqlOnly {
        return Ok(());
    }
    let fleet = Fleet::start(&["--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"])?;
    let bridges: Vec<_> = (1..=300)
        .map(|n| json!({"id": n, "customer_ref": format!("c{n}"), "status": if n <= 60 { "disconnected" } else { "connected" }}))
        .collect();
    fleet.sandbox.add(json!(bridges)).await?;
    fleet.sql("SELECT * FROM wab_refresh()")?;
    for _ in 0..5 {
        fleet.sql("SELECT * FROM wab_poll_status(60)")?;
    }
    assert_eq!(
        fleet.sql("SELECT count(*) FILTER (WHERE status = 'paired'), count(*) FILTER (WHERE status = 'disconnected') FROM wab_bridges")?,
        "240|60"
    );
    fleet.sandbox.change(299, json!({"status": "disconnected"})).await?;
    // 300 bridges at 60 calls take 5 rounds, and half as many again with the calls for those that are down.
    let mut rounds = 0;
    while fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id = 299")? == "paired" {
        rounds += 1;
        assert!(rounds <= 8, "bridge 299 was not asked in 8 rounds");
        fleet.sql(&format!("{A_MINUTE_LATER}; SELECT * FROM wab_poll_status(60)"))?;
    }
    Ok(())
}
