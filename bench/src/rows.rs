//! Measures the programs, row by row: ours, the alternative, and the target ratio.

use anyhow::{Result, ensure};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::contest::{Outcome, ROUNDS, Run, contest};
use crate::queries;
use crate::report::{Row, Target};
use crate::scene::Scene;

const LISTED: &str = "(b) curl, jq, psql";
const UPSERTED: &str = "(b) with upsert";
const NODE: &str = "(a) Node";

/// Measures every row of one size and passes each to `tell` at once.
pub fn all(scene: &Scene, mut tell: impl FnMut(Row)) -> Result<()> {
    let body = scene.body()?;
    tell(list(scene)?);
    tell(refresh_unchanged(scene)?);
    tell(refresh_unchanged_in_python(scene)?);
    tell(refresh_changed(scene)?);
    scene.reset_tenants()?;
    for row in plan_unchanged(scene)? {
        tell(row);
    }
    tell(memory(scene, body)?);
    scene.reset_tenants()?;
    scene.drift()?;
    scene.fleet.sql("SELECT _wab_record_drift()")?;
    tell(plan_drifted(scene, "wab plan, 1 % drift", |_| Ok(()), Some(3.0))?);
    let changed_too = "wab plan, 1 % drift, list changed too";
    tell(plan_drifted(scene, changed_too, Scene::change_the_list, Some(3.0))?);
    tell(queries::drift_by_kind(scene, "1 % drift", Target::AtMost(1.2))?);
    scene.fleet.sql("SELECT * FROM wab_refresh()")?;
    for (share, one_in) in [("50 % drift", 2), ("100 % drift", 1)] {
        scene.reset_tenants()?;
        scene.unlink(one_in)?;
        scene.fleet.sql("SELECT _wab_record_drift()")?;
        tell(plan_drifted(scene, &format!("wab plan, {share}"), |_| Ok(()), None)?);
        tell(queries::drift_by_kind(scene, share, Target::None)?);
        tell(queries::summary(scene, share)?);
    }
    scene.reset_tenants()?;
    scene.fleet.sql("SELECT _wab_record_drift()")?;
    tell(reconcile(scene)?);
    for row in queries::points(scene)? {
        tell(row);
    }
    Ok(())
}

fn nothing() -> Result<()> {
    Ok(())
}

fn list(scene: &Scene) -> Result<Row> {
    let count = scene.size.to_string();
    let outcome = contest(
        nothing,
        || scene.psql("SELECT count(*) FROM wab_list_instances()", &count),
        || scene.alternative(["bash", "list.sh"], false, &count),
    )?;
    Ok(Row::new("SELECT count(*) FROM wab_list_instances()", LISTED, outcome, Target::Faster(5.0)))
}

const REFRESH: &str = "SELECT bridges, changed FROM wab_refresh()";

fn refresh_unchanged(scene: &Scene) -> Result<Row> {
    let written = || scene.fleet.sql("SELECT count(*) FROM wab_observations");
    let expected = format!("{}|0", scene.size);
    let before: usize = written()?.parse()?;
    let mut refreshes = 0;
    let outcome = contest(
        nothing,
        || {
            refreshes += 1;
            scene.psql(REFRESH, &expected)
        },
        || scene.alternative(["bash", "refresh.sh"], false, ""),
    )?;
    let rows = written()?.parse::<usize>()? - before;
    ensure!(rows == refreshes, "{refreshes} refreshes wrote {rows} rows");
    Ok(Row::new("wab_refresh(), unchanged", UPSERTED, outcome, Target::Faster(8.0)))
}

fn refresh_unchanged_in_python(scene: &Scene) -> Result<Row> {
    scene.fleet.sql(&std::fs::read_to_string(crate::scene::alternatives()?.join("refresh.plpython.sql"))?)?;
    let call = format!("SELECT py_refresh('{}', '{}')", scene.fleet.sandbox.url(), e2e::sandbox::KEY);
    let count = scene.size.to_string();
    let outcome =
        contest(nothing, || scene.psql(REFRESH, &format!("{count}|0")), || scene.psql(&call, &count))?;
    Ok(Row::new("wab_refresh(), unchanged", "(c) plpython3u, requests", outcome, Target::None))
}

fn refresh_changed(scene: &Scene) -> Result<Row> {
    let changed =
        format!("{}|{}", scene.size, (3..=scene.size).step_by(crate::scene::DRIFTED as usize).count());
    let outcome = contest(
        || scene.change_the_list(),
        || scene.psql(REFRESH, &changed),
        || scene.alternative(["bash", "refresh.sh"], false, ""),
    )?;
    Ok(Row::new("wab_refresh(), 1 % changed", UPSERTED, outcome, Target::Faster(4.0)))
}

fn plan_unchanged(scene: &Scene) -> Result<[Row; 2]> {
    let outcome = contest(
        nothing,
        || scene.wab(&["plan"], "Nothing to do"),
        || scene.alternative(["node", "reconcile.mjs"], true, "\"drifted\":0"),
    )?;
    let memory = Outcome { ratio: outcome.ours.peak_kb as f64 / outcome.theirs.peak_kb as f64, ..outcome };
    Ok([
        Row::new("wab plan, unchanged, nothing to do", NODE, outcome, Target::Faster(4.0)),
        Row::new("memory of wab plan", NODE, memory, Target::Memory(0.5)),
    ])
}

fn plan_drifted(
    scene: &Scene,
    what: &str,
    before: impl Fn(&Scene) -> Result<()>,
    target: Option<f64>,
) -> Result<Row> {
    let outcome = contest(
        || before(scene),
        || scene.wab(&["plan"], "Plan"),
        || scene.alternative(["node", "reconcile.mjs"], true, "\"drifted\":"),
    )?;
    Ok(Row::new(what, NODE, outcome, target.map_or(Target::None, Target::Faster)))
}

/// Both contestants write the statuses of all tenant rows with a wrong one.
fn reconcile(scene: &Scene) -> Result<Row> {
    let rows = (scene.size / 20).min(5_000);
    let spoil = || {
        let table = format!(
            "UPDATE tenants SET bridge_status = 'unknown' WHERE bridge_id <= {rows}; VACUUM ANALYZE tenants"
        );
        table.split("; ").try_for_each(|sql| scene.fleet.sql(sql).map(drop))
    };
    let left = "SELECT count(*) FILTER (WHERE kind = 'status_drift') FROM wab_reconcile()";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        spoil()?;
        let our_run = scene.psql(left, "0")?;
        spoil()?;
        let their_run =
            scene.alternative(["node", "reconcile.mjs"], false, &format!("\"drifted\":{rows}"))?;
        if round > 0 {
            ours.push(our_run);
            theirs.push(their_run);
        }
    }
    let outcome = Outcome::of(&ours, &theirs);
    Ok(Row::new(&format!("wab_reconcile(), writing {rows} rows"), NODE, outcome, Target::Faster(5.0)))
}

/// Compares the growth of the backend's peak memory during a refresh, without shared memory, with the size of the list. The
/// list has changed, so that the refresh does all of its work.
fn memory(scene: &Scene, body: usize) -> Result<Row> {
    let peak = "SELECT (regexp_match(s, 'VmHWM:\\s*(\\d+)'))[1]::bigint - (regexp_match(s, 'RssShmem:\\s*(\\d+)'))[1]::bigint
                FROM pg_read_file('/proc/self/status') s";
    scene.change_the_list()?;
    let kilobytes = scene.connected(async |connection| {
        let read = async |connection: &mut PgConnection| -> Result<i64> {
            Ok(sqlx::raw_sql(peak).fetch_one(connection).await?.try_get(0)?)
        };
        let before = read(connection).await?;
        sqlx::raw_sql("SELECT * FROM wab_refresh()").execute(&mut *connection).await?;
        Ok(read(connection).await? - before)
    })?;
    let run = |kilobytes: u64| Run { seconds: f64::NAN, peak_kb: kilobytes };
    let outcome = Outcome {
        ours: run(kilobytes.try_into()?),
        theirs: run(body as u64 / 1024),
        ratio: kilobytes as f64 * 1024.0 / body as f64,
    };
    Ok(Row::new("memory of a backend in wab_refresh()", "the list's bytes", outcome, Target::Memory(8.0)))
}
