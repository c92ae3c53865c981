//! Tests that webhook events, which the user's backend passes on, give the same result in any order and when repeated.

use anyhow::Result;
use e2e::fleet::Fleet;

use crate::world;

/// The stored result of a history of events, to compare.
const STATE: &str = "SELECT b::text FROM wab_bridges b UNION ALL SELECT (to_jsonb(e) - 'event_id')::text FROM wab_bridge_events e
                     UNION ALL SELECT h::text FROM wab_status_history h ORDER BY 1";

/// Observes twenty bridges, every third with a status, at the beginning of the year, and a second later four new ones, which
/// were never paired.
const OBSERVE: &str = "
    TRUNCATE wab_bridges, wab_bridge_events, wab_observations;
    SELECT appeared FROM wab_observe(
        (SELECT array_agg(n) FROM generate_series(1, 20) n), (SELECT array_agg('c' || n) FROM generate_series(1, 20) n),
        (SELECT array_agg('running'::text) FROM generate_series(1, 20) n),
        (SELECT array_agg(CASE n % 3 WHEN 0 THEN 'connected' END) FROM generate_series(1, 20) n),
        (SELECT array_agg(NULL::timestamptz) FROM generate_series(1, 20) n), '2026-01-01');
    SELECT appeared FROM wab_observe(
        (SELECT array_agg(n) FROM generate_series(1, 24) n), (SELECT array_agg('c' || n) FROM generate_series(1, 24) n),
        (SELECT array_agg('running'::text) FROM generate_series(1, 24) n),
        (SELECT array_agg(CASE n WHEN 21 THEN 'qr' WHEN 22 THEN 'closed' END) FROM generate_series(1, 24) n),
        (SELECT array_agg(NULL::timestamptz) FROM generate_series(1, 24) n), '2026-01-01 00:00:01')";

/// Makes 8,000 events within two days, many of them in the same minute; a quarter of them is repeated. Bridge 24 is never
/// connected.
const EVENTS: &str = "
    CREATE TABLE event AS
    SELECT 'c' || (1 + (random() * 22)::integer) AS customer_ref, (ARRAY['connected', 'disconnected'])[1 + (random() > 0.5)::integer] AS said,
           timestamptz '2026-01-01' + interval '1 minute' * (1 + (random() * 300)::integer) * 10 AS at
    FROM generate_series(1, 8000)
    UNION ALL SELECT 'c24', 'disconnected', timestamptz '2026-01-01' + interval '1 hour' * n FROM generate_series(1, 40) n";

#[tokio::test]
async fn shuffled_and_repeated_events_give_the_result_of_ordered_ones() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(EVENTS)?;
    let ingest = |events: &str| -> Result<String> {
        fleet.sql(OBSERVE)?;
        let ingested = fleet.sql(&format!(
            "SELECT count(*) FROM (SELECT wab_ingest_event(e.customer_ref, jsonb_build_object('event', e.said), e.at)
                                   FROM ({events}) e) i"
        ))?;
        assert!(ingested.parse::<u32>()? >= 8000, "{ingested}");
        fleet.sql(STATE)
    };
    let in_order = ingest("SELECT * FROM event ORDER BY at, said DESC")?;
    assert!(in_order.lines().count() > 6000, "most of the events must change something");
    let twice =
        "SELECT * FROM event UNION ALL SELECT * FROM (SELECT * FROM event ORDER BY at, said LIMIT 2000) e";
    let shuffled = ingest(&format!("SELECT * FROM ({twice}) e ORDER BY random()"))?;
    assert!(in_order == shuffled, "the bridges and their history must be the same");
    assert_eq!(
        fleet
            .sql("SELECT count(*) FROM wab_bridge_events WHERE bridge_id = 24 AND became = 'disconnected'")?,
        "0"
    );
    assert_ne!(
        fleet
            .sql("SELECT count(*) FROM wab_bridge_events WHERE bridge_id = 23 AND became = 'disconnected'")?,
        "0"
    );
    Ok(())
}

/// The stored result, with who is paired and the present drift.
const EVERYTHING: &str = "
    SELECT b::text FROM wab_bridges b UNION ALL SELECT (to_jsonb(e) - 'event_id')::text FROM wab_bridge_events e
    UNION ALL SELECT p::text FROM wab_phones p UNION ALL SELECT o.mirrored::text FROM wab_observations o
    UNION ALL SELECT kind || subject FROM wab_drift_episodes WHERE ended_at IS NULL ORDER BY 1";

/// Makes 800 bodies: events of 26 customers within two days. Two of them have no bridge, and one has two. A tenth of the
/// bodies are no such events. Many have the same time as another one of their customer.
const BODIES: &str = r#"
    DROP TABLE IF EXISTS body;
    CREATE TABLE body AS
    SELECT row_number() OVER (ORDER BY {order}) AS nth, e.customer_ref, b.body, NULL::bigint AS batch
    FROM (SELECT 'c' || (1 + (random() * 25)::integer) AS customer_ref, random() AS odd,
                 timestamptz '2026-01-01' + interval '1 minute' * (1 + (random() * 300)::integer) * 10 AS at
          FROM generate_series(1, 800)) e
    CROSS JOIN LATERAL (SELECT CASE
        WHEN odd < 0.02 THEN '{"event": "battery"}'
        WHEN odd < 0.04 THEN '{"event": "connected", "customer_ref": "somebody"}'
        WHEN odd < 0.042 THEN 'no json'
        WHEN odd < 0.06 THEN '[{"event": "connected"}]'
        WHEN odd < 0.08 THEN NULL
        WHEN odd < 0.3 THEN jsonb_build_object('event', 'Logged_Out', 'timestamp', e.at)::text
        WHEN odd < 0.6 THEN jsonb_build_object('event', 'disconnected', 'customer_ref', e.customer_ref,
                                               'timestamp', extract(epoch FROM e.at))::text
        WHEN odd < 0.7 THEN jsonb_build_object('event', 'connected', 'timestamp', e.at,
                                               'phone', '1555000000' || (odd * 100)::integer % 4)::text
        ELSE jsonb_build_object('event', 'connected', 'timestamp', e.at)::text END AS body) b;
    UPDATE body b SET batch = c.batch
    FROM (SELECT nth, sum((random() < {cut})::integer) OVER (ORDER BY nth) AS batch FROM body) c WHERE c.nth = b.nth"#;

/// Two ways to hand the bodies over; each returns the outcomes.
const WAYS: &str = "
    CREATE FUNCTION one_by_one() RETURNS text[] LANGUAGE plpgsql AS $$
    DECLARE b record; outcomes text[] := '{}';
    BEGIN
        FOR b IN SELECT * FROM body ORDER BY nth LOOP
            BEGIN outcomes := outcomes || wab_ingest_event(b.customer_ref, b.body::jsonb);
            EXCEPTION WHEN data_exception THEN outcomes := outcomes || 'invalid'::text; END;
        END LOOP;
        RETURN outcomes;
    END $$;
    CREATE FUNCTION in_batches() RETURNS text[] LANGUAGE plpgsql AS $$
    DECLARE b record; outcomes text[] := '{}';
    BEGIN
        FOR b IN SELECT array_agg(customer_ref ORDER BY nth) AS refs, array_agg(body ORDER BY nth) AS bodies
                 FROM body GROUP BY batch ORDER BY batch LOOP
            outcomes := outcomes || _wab_ingest_events(b.refs, b.bodies);
        END LOOP;
        RETURN outcomes;
    END $$";

#[tokio::test]
async fn batches_of_any_cut_give_the_result_of_single_events() -> Result<()> {
    let fleet = Fleet::start(&[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
         INSERT INTO tenants SELECT 'c' || n, 'active', n, 'paired' FROM generate_series(1, 26) n",
    )?;
    fleet.sql("SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')")?;
    fleet.sql(WAYS)?;
    let ingest = |way: &str| -> Result<(String, String)> {
        fleet.sql("TRUNCATE wab_phones, wab_drift_episodes")?;
        fleet.sql(OBSERVE)?;
        // Two bridges carry c3, whose status is known.
        fleet.sql(
            "INSERT INTO wab_bridges (bridge_id, customer_ref, state, first_seen_at) VALUES (30, 'c3', 'running', '2026-01-01');
             SELECT _wab_mark_duplicates()",
        )?;
        fleet.sql("SELECT _wab_record_drift()")?;
        Ok((fleet.sql(&format!("SELECT {way}()"))?, fleet.sql(EVERYTHING)?))
    };
    let built_in = "DELETE FROM wab_status_words WHERE NOT built_in";
    let mapped = "INSERT INTO wab_status_words VALUES ('logged_out', 'awaiting_scan')";
    let nearly = "random() / 5 + extract(epoch FROM e.at) / 86400";
    for words in [built_in, mapped] {
        fleet.sql(words)?;
        for (order, cut) in [("e.at", "0.01"), ("e.at", "0.1"), ("random()", "0.03"), (nearly, "0.02")] {
            fleet.sql(&BODIES.replace("{order}", order).replace("{cut}", cut))?;
            let (single, batched) = (ingest("one_by_one")?, ingest("in_batches")?);
            let told = |outcome: &str| single.0.matches(outcome).count();
            assert!(
                told("recorded") > 20 && told("invalid") > 20 && told("ambiguous") > 10,
                "by {order}: {}",
                single.0
            );
            assert_eq!(batched.0, single.0, "by {order}");
            assert!(batched.1 == single.1, "by {order}:\n{}\nis not\n{}", batched.1, single.1);
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_drift_until_it_is_written() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    assert_eq!(
        fleet.sql(
            r#"SELECT wab_ingest_event('cust_05', '{"event": "disconnected", "customer_ref": "cust_05"}')"#
        )?,
        "recorded"
    );
    assert_eq!(
        fleet.sql("SELECT kind, tenant_id, observed FROM wab_drift")?,
        "status_drift|cust_05|disconnected"
    );
    fleet.sql("SELECT _wab_write_statuses()")?;
    assert_eq!(fleet.sql("SELECT bridge_status FROM tenants WHERE id = 'cust_05'")?, "disconnected");
    Ok(())
}

#[tokio::test]
async fn a_role_that_may_not_read_tenants_can_pass_events_on() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql(
        "CREATE ROLE hook LOGIN; GRANT SELECT, UPDATE ON wab_bridges, wab_observations TO hook; GRANT SELECT, INSERT, UPDATE ON wab_bridge_events TO hook;
         DO $$ DECLARE f regprocedure; BEGIN
             FOR f IN SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^_?wab_' AND prokind = 'f' LOOP
                 EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hook', f);
             END LOOP;
         END $$",
    )?;
    let event = |customer_ref: &str| {
        fleet.sql(&format!(
            "SET ROLE hook; SELECT wab_ingest_event('{customer_ref}', '{{\"event\": \"disconnected\"}}')"
        ))
    };
    assert_eq!(event("cust_05")?, "recorded");
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_drift_episodes")?, "0");
    fleet.sql(
        "GRANT SELECT ON wab_drift, wab_tenants, wab_policy, wab_declared, wab_queue, tenants TO hook",
    )?;
    assert_eq!(event("cust_06")?, "recorded", "it may read the drift but not write episodes");
    assert_eq!(
        fleet.sql("SELECT status FROM wab_bridges WHERE bridge_id IN (5, 6)")?,
        "disconnected\ndisconnected"
    );
    Ok(())
}

#[tokio::test]
async fn a_first_message_waits_for_no_other_event() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    fleet.sql("UPDATE wab_policy SET silent_after = '1 day'")?;
    let message = r#"SELECT wab_ingest_event('cust_01', '{"event": "message"}')"#;
    let mut batch = fleet.connect().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {message}"))).execute(&mut batch).await?;
    assert_eq!(fleet.sql(&format!("SET lock_timeout = '1s'; {message}"))?, "recorded");
    sqlx::raw_sql("COMMIT").execute(&mut batch).await?;
    assert_eq!(fleet.sql("SELECT count(*) FROM wab_activity")?, "1");
    Ok(())
}
