//! Measures the views over one connection, against the queries that a user would write by hand.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use crate::contest::{Outcome, ROUNDS, Run};
use crate::report::{Row, Target};
use crate::scene::Scene;

const BY_HAND: &str = "the same joins by hand";

/// Both queries use one connection, so that the client adds nothing to the difference.
pub fn drift_by_kind(scene: &Scene, share: &str, target: Target) -> Result<Row> {
    let by_hand = by_hand()?;
    let ours = "SELECT kind, count(*) FROM wab_drift GROUP BY 1";
    let outcome = scene.connected(async |connection| {
        let count = async |connection: &mut PgConnection, sql: &str| -> Result<Vec<(String, i64)>> {
            let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
            let mut counted: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            counted.sort();
            Ok(counted)
        };
        let (our_counts, their_counts) = (count(connection, ours).await?, count(connection, &by_hand).await?);
        ensure!(
            our_counts == their_counts,
            "wab_drift has {our_counts:?}, the query by hand {their_counts:?}"
        );
        compare(connection, (ours, &by_hand), 1).await
    })?;
    Ok(Row::new(&format!("{ours}, {share}"), BY_HAND, outcome, target))
}

/// Compares with the same counts by hand; the summary also computes the statuses and the costs.
pub fn summary(scene: &Scene, share: &str) -> Result<Row> {
    let (by_hand, ours) = (by_hand()?, "SELECT * FROM wab_fleet_summary");
    let outcome = scene.connected(async |connection| compare(connection, (ours, &by_hand), 1).await)?;
    Ok(Row::new(&format!("{ours}, {share}"), BY_HAND, outcome, Target::None))
}

fn by_hand() -> Result<String> {
    Ok(std::fs::read_to_string(crate::scene::alternatives()?.join("by_hand.sql"))?)
}

const INDEX: &str = "index lookup on the tenants table";

/// Measures the lookup of one tenant, for each type of a tenant id.
pub fn points(scene: &Scene) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (kind, id) in [("text", "id"), ("bigint", "bridge_id"), ("uuid", "md5(id)::uuid")] {
        scene.fleet.sql(&format!(
            "DROP TABLE IF EXISTS customers CASCADE;
             CREATE TABLE customers AS SELECT {id} AS id, status, bridge_id, bridge_status FROM tenants;
             ALTER TABLE customers ADD PRIMARY KEY (id);
             SELECT * FROM wab_bind_tenants('customers', wanted => 'status = ''active''');
             UPDATE wab_bridges b SET customer_ref = c.id::text FROM customers c WHERE c.bridge_id = b.bridge_id;
             ANALYZE customers; ANALYZE wab_bridges"
        ))?;
        let one =
            scene.fleet.sql(&format!("SELECT id FROM customers WHERE bridge_id = {}", scene.size / 2))?;
        for view in ["wab_fleet", "wab_drift"] {
            let ours = format!("SELECT * FROM {view} WHERE tenant_id = ");
            let theirs = "SELECT * FROM customers WHERE id = ";
            let literal = format!("'{one}'");
            let outcome = scene.connected(async |connection| {
                compare(connection, (&format!("{ours}{literal}"), &format!("{theirs}{literal}")), 200).await
            })?;
            let what = format!("{view} WHERE tenant_id = …, {kind}, planned each time");
            rows.push(Row::new(&what, INDEX, outcome, Target::Under(0.002)));
            let prepare = format!("PREPARE ours AS {ours}$1; PREPARE theirs AS {theirs}$1");
            let outcome = scene.connected(async |connection| {
                sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await?;
                let run = |name: &str| format!("EXECUTE {name}({literal})");
                compare(connection, (&run("ours"), &run("theirs")), 200).await
            })?;
            let what = format!("{view} WHERE tenant_id = …, {kind}, prepared");
            rows.push(Row::new(&what, INDEX, outcome, Target::AtMost(10.0)));
        }
    }
    Ok(rows)
}

/// Runs the two statements in turn, each `times` times, over one connection; returns the times of one execution.
async fn compare(connection: &mut PgConnection, (ours, theirs): (&str, &str), times: u32) -> Result<Outcome> {
    connection.ping().await?;
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (sql, runs) in [(ours, &mut our_runs), (theirs, &mut their_runs)] {
            let start = Instant::now();
            for _ in 0..times {
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .fetch_all(&mut *connection)
                    .await
                    .with_context(|| sql.to_owned())?;
            }
            let seconds = start.elapsed().as_secs_f64() / f64::from(times);
            if round > 0 {
                runs.push(Run { seconds, peak_kb: 0 });
            }
        }
    }
    Ok(Outcome::of(&our_runs, &their_runs))
}
