//! Compares the real things with the model, object by object.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::simulation::drift::drift;
use crate::simulation::episodes::Incident;
use crate::simulation::kind::Drift;
use crate::simulation::known::Known;
use crate::simulation::mismatch::{Mismatch, Table, compare, mismatch};
use crate::simulation::model::{Model, Row};
use crate::simulation::moment::{HOUR, Moment};
use crate::simulation::stage::Stage;
use crate::simulation::tenures::{cents, dollars};

/// Without an observation for so long there is an incident, as the stage sets it.
const UNOBSERVED_AFTER: i64 = 2 * HOUR;

/// All comparisons at the end of a day.
pub async fn all(stage: &mut Stage, model: &Model, at: Moment) -> Result<Vec<Mismatch>> {
    let mut found = Vec::new();
    for (check, expected, sql) in [
        ("drift", drifts(model, at), DRIFT),
        ("statuses", statuses(model), STATUSES),
        ("tenants", tenants(model), TENANTS),
        ("incidents", incidents(model, at), INCIDENTS),
        ("costs", costs(model, at), COSTS),
    ] {
        found.extend(compare(check, at, &expected, &stage.table(sql).await?));
    }
    found.extend(tenant_costs(stage, model, at).await?);
    found.extend(uptime(stage, model, at).await?);
    found.extend(provider(stage, model, at).await?);
    found.extend(trail(stage, at).await?);
    Ok(found)
}

const DRIFT: &str = "
    SELECT concat_ws(' ', d.kind, coalesce(d.customer_ref, '-'), coalesce(d.bridge_id::text, '-')),
           concat_ws(' ', 'stored', coalesce(d.stored, '-'), 'observed', coalesce(d.observed, '-'),
                     CASE WHEN d.severity <> 'info'
                          THEN 'since ' || coalesce(to_char(d.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-') END)
    FROM wab_drift d";

fn drifts(model: &Model, at: Moment) -> Table {
    let value = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |one: &Drift| {
        let id = one.bridge_id.map(|id| id.to_string());
        let key = format!("{} {} {}", one.kind.as_str(), value(&one.customer_ref), value(&id));
        let mut text = format!("stored {} observed {}", value(&one.stored), value(&one.observed));
        if one.kind.rule().is_some() {
            let since = one.since.or_else(|| model.episodes.since(one)).map(|since| since.to_string());
            text.push_str(&format!(" since {}", value(&since)));
        }
        (key, text)
    };
    drift(model, at).iter().map(row).collect()
}

const STATUSES: &str = "
    SELECT b.bridge_id::text,
           concat_ws(' ', coalesce(b.customer_ref, '-'), b.state, b.status, coalesce(b.raw_status, '-'), 'since',
                     coalesce(to_char(b.status_since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-'), 'waits',
                     coalesce(to_char(b.unpaired_since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-'))
    FROM wab_bridges b";

fn statuses(model: &Model) -> Table {
    let time = |at: Option<Moment>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let row = |(id, known): (i64, &Known)| {
        let session = &known.session;
        let text = format!(
            "{} {} {} {} since {} waits {}",
            known.customer_ref.as_deref().unwrap_or("-"),
            known.state,
            session.status().as_str(),
            session.word.as_deref().unwrap_or("-"),
            time(session.since),
            time(session.waits_since)
        );
        (id.to_string(), text)
    };
    model.known.iter().map(row).collect()
}

const TENANTS: &str = "
    SELECT t.id, concat_ws(' ', t.status = 'active', coalesce(t.bridge_id::text, '-'), coalesce(t.bridge_status, '-'))
    FROM tenants t";

fn tenants(model: &Model) -> Table {
    let row = |(id, row): (&String, &Row)| {
        let held = row.bridge_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let wanted = if row.wanted { "t" } else { "f" };
        (id.clone(), format!("{wanted} {held} {}", row.status.as_deref().unwrap_or("-")))
    };
    model.rows.iter().map(row).collect()
}

const INCIDENTS: &str = "
    SELECT concat_ws(' ', h.kind, coalesce(h.customer_ref, '-'), coalesce(h.bridge_id::text, '-'), 'since',
                     to_char(h.began_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')),
           concat_ws(' ', h.bridges, 'bridges', h.lasting, 'lasting ended',
                     coalesce(to_char(h.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-'))
    FROM wab_incident_history h WHERE h.severity <> 'info'";

fn incidents(model: &Model, at: Moment) -> Table {
    let row = |one: &Incident| {
        let ended = one.ended.map_or_else(|| "-".to_owned(), |ended| ended.to_string());
        (incident_key(one), format!("{} bridges {} lasting ended {ended}", one.bridges, one.lasting))
    };
    model.episodes.incidents(at).iter().map(row).collect()
}

fn incident_key(one: &Incident) -> String {
    let (customer_ref, bridge_id) = one.of.clone().unwrap_or_default();
    let customer_ref = customer_ref.unwrap_or_else(|| "-".to_owned());
    let bridge_id = bridge_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    format!("{} {customer_ref} {bridge_id} since {}", one.kind.as_str(), one.began)
}

const COSTS: &str = "
    SELECT c.month::text, concat_ws(' ', c.bridges, 'bridges cost', c.cost, 'waste', c.waste) FROM wab_costs c";

fn costs(model: &Model, at: Moment) -> Table {
    let wasted = model.episodes.wasted(at);
    let mut months: Vec<_> = model.listings.iter().map(|at| at.month()).chain([at.month()]).collect();
    months.dedup();
    let row = |month| {
        let bill = model.tenures.bill(month, at, &wasted);
        let (cost, waste) = (dollars(month, bill.seconds), dollars(month, bill.wasted));
        (month.to_string(), format!("{} bridges cost {cost} waste {waste}", bill.bridges.len()))
    };
    months.into_iter().map(row).collect()
}

/// The amounts of the tenants add up to that of the fleet, and each is right to the cent.
async fn tenant_costs(stage: &mut Stage, model: &Model, at: Moment) -> Result<Vec<Mismatch>> {
    const CHECK: &str = "tenant costs";
    let month = at.month();
    let bill = model.tenures.bill(month, at, &[]);
    let real = stage
        .table(&format!(
            "SELECT coalesce(c.customer_ref, '-'), c.cost::text FROM wab_tenant_costs('{month}') c"
        ))
        .await?;
    let mut found = Vec::new();
    for (customer_ref, seconds) in &bill.by_tenant {
        let exact = cents(month, *seconds);
        let object = customer_ref.clone().unwrap_or_else(|| "-".to_owned());
        let told = real.get(&object).map(|cost| cost.parse::<f64>()).transpose()?;
        // Two parts are rounded apart from each other.
        if told.is_none_or(|told| (told * 100.0 - exact).abs() > 2.0) {
            let told = told.map(|told| told.to_string());
            found.push(mismatch(CHECK, at, object, Some(format!("{:.2}", exact / 100.0)), told));
        }
    }
    let sum: f64 = real.values().filter_map(|cost| cost.parse::<f64>().ok()).sum();
    let (expected, sum) = (dollars(month, bill.seconds), format!("{sum:.2}"));
    if sum != expected {
        found.push(mismatch(CHECK, at, "sum".to_owned(), Some(expected), Some(sum)));
    }
    Ok(found)
}

/// On a day without a gap between the listings, each tenant with one bridge was paired for as long as could be known.
async fn uptime(stage: &mut Stage, model: &Model, at: Moment) -> Result<Vec<Mismatch>> {
    let start = Moment::day(at.nth_day());
    let listed = model.listings.iter().filter(|listed| **listed >= start - 2 * HOUR);
    let listed: Vec<Moment> = listed.copied().chain([at]).collect();
    if listed.first().is_none_or(|first| *first > start)
        || listed.windows(2).any(|two| two[1] - two[0] > HOUR)
    {
        return Ok(Vec::new());
    }
    let real = stage
        .table(&format!(
            "SELECT u.customer_ref, concat_ws(' ', 'paired', extract(epoch FROM u.paired)::bigint, 'known',
                                              extract(epoch FROM u.observed)::bigint)
             FROM wab_tenant_uptime('{start}', '{at}') u WHERE u.excluded = '0'"
        ))
        .await?;
    let mut expected = Table::new();
    // A tenant that had several bridges on this day is left out, and so is one whose bridge is gone.
    for (customer_ref, id) in model.tenures.alone_since(start) {
        let Some(known) = model.known.get(id).filter(|_| real.contains_key(customer_ref)) else { continue };
        let from = start.max(model.tenures.since(id).unwrap_or(start));
        let (paired, told) = known.session.seconds(from, at);
        expected.insert(customer_ref.to_owned(), format!("paired {paired} known {told}"));
    }
    let real = real.into_iter().filter(|(customer_ref, _)| expected.contains_key(customer_ref)).collect();
    Ok(compare("uptime", at, &expected, &real))
}

/// The provider has the bridges that it should have: none was made twice, and none was deleted without a tombstone.
async fn provider(stage: &Stage, model: &Model, at: Moment) -> Result<Vec<Mismatch>> {
    let expected: Table =
        model.provider.bridges.iter().map(|(id, one)| (id.to_string(), one.customer_ref.clone())).collect();
    let real: Table = stage
        .fleet
        .sandbox
        .bridges()
        .await?
        .iter()
        .map(|one| (one["id"].to_string(), one["customer_ref"].as_str().unwrap_or("-").to_owned()))
        .collect();
    Ok(compare("provider", at, &expected, &real))
}

/// Each call that changed something at the provider has its line in the database, and the other way round. `wab apply` runs at a
/// whole minute, and writes when a step began as an age by its own clock, which does not stand still.
const TRAIL: &str = "
    SELECT concat_ws(' ', c.call, CASE c.call WHEN 'delete' THEN c.bridge_id::text ELSE c.customer_ref END,
                     to_char(c.called_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')), 'once'
    FROM wab_calls c WHERE c.outcome !~ '^failed' AND c.call IN ('provision', 'delete')
    UNION ALL
    SELECT concat_ws(' ', o.kind, CASE o.kind WHEN 'delete' THEN o.bridge_id::text ELSE o.customer_ref END,
                     to_char(date_trunc('minute', o.started_at + interval '30 s') AT TIME ZONE 'UTC',
                             'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')), 'once'
    FROM wab_operations o WHERE o.outcome = 'done' AND o.kind IN ('provision', 'delete')";

async fn trail(stage: &mut Stage, at: Moment) -> Result<Vec<Mismatch>> {
    let (mut calls, mut found) = (Table::new(), Vec::new());
    for call in stage.fleet.sandbox.ledger().await? {
        let time = call["at"].as_str().and_then(|at| at.get(..19)).context("a call without a time")?;
        let path = call["path"].as_str().unwrap_or_default();
        if call["status"] == 429 && call["fault"].is_null() {
            found.push(mismatch("limits", at, format!("{path} {time}"), None, Some("429".to_owned())));
        }
        // A call whose answer was lost was done.
        let done = call["status"].as_u64().is_some_and(|code| code < 300) || call["fault"] == "lost_reply";
        let subject = match call["method"].as_str().filter(|_| done) {
            Some("POST") if path == "/api/instances" => {
                format!("provision {}", call["customer_ref"].as_str().unwrap_or("-"))
            }
            Some("DELETE") => format!("delete {}", path.rsplit('/').next().unwrap_or_default()),
            _ => continue,
        };
        calls
            .entry(format!("{subject} {time}Z"))
            .and_modify(|often| often.push_str(" more"))
            .or_insert("once".to_owned());
    }
    stage.fleet.sandbox.clear_ledger().await?;
    let day = Moment::day(at.nth_day());
    let real = stage.table(TRAIL).await?;
    let lately: Table =
        real.into_iter().filter(|(call, _)| call.rsplit(' ').next() >= Some(&*day.to_string())).collect();
    found.extend(compare("trail", at, &calls, &lately));
    Ok(found)
}

/// The receiver of alerts has heard of each incident that began or ended, and of no other.
pub fn alerts(documents: &[Value], model: &mut Model, at: Moment) -> Result<Vec<Mismatch>> {
    let mut expected = Table::new();
    for (one, was_sent) in model.episodes.untold(at) {
        let text = match one.ended {
            Some(ended) => format!("ended {ended}"),
            None if !was_sent && one.lasting > 0 => "began".to_owned(),
            None => continue,
        };
        expected.insert(incident_key(&one), format!("{} bridges {text}", one.bridges));
        model.episodes.sent(&one);
    }
    let last = model.listings.last().copied().filter(|last| at - *last > UNOBSERVED_AFTER);
    if last != model.unobserved {
        let text = if last.is_some() { "began" } else { "ended" };
        expected.insert("unobserved".to_owned(), text.to_owned());
        model.unobserved = last;
    }
    let (mut told, mut omitted) = (Table::new(), false);
    for document in documents {
        omitted |= document["omitted"] != 0;
        for (list, word) in [("began", "began"), ("ended", "ended")] {
            for one in document[list].as_array().into_iter().flatten() {
                let (key, text) = alert(one, word);
                told.insert(key, text);
            }
        }
    }
    // A document that is too long counts what it leaves out.
    let found = compare("alerts", at, &expected, &told);
    Ok(found.into_iter().filter(|one| !omitted || one.real.is_some()).collect())
}

/// The key and the text of an incident in a document.
fn alert(one: &Value, word: &str) -> (String, String) {
    let text = |name: &str| match &one[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    if one["kind"] == "unobserved" {
        return ("unobserved".to_owned(), word.to_owned());
    }
    let time = |name: &str| format!("{}Z", text(name).get(..19).unwrap_or_default());
    let key =
        format!("{} {} {} since {}", text("kind"), text("customer_ref"), text("bridge_id"), time("began_at"));
    let end = if word == "ended" { format!("ended {}", time("ended_at")) } else { "began".to_owned() };
    (key, format!("{} bridges {end}", text("bridges")))
}
