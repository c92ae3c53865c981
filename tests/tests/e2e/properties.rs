//! Tests random fleets: two plans are equal, apply creates the missing bridges and deletes those with tombstones, and the next
//! plan has no steps. The test computes the expected result itself, without `wab`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};

const CASES: u32 = 150;

/// The bridge_id in a tenant row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Nothing,
    First,
    Second,
    AnotherOne,
}

/// The entry of fleet.yaml for a customer_ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Nothing,
    Extra,
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tombstone {
    None,
    OfTheFirst,
    OfTheSecond,
    WithAnotherRef,
    OfAGoneBridge,
}

/// All facts about one customer_ref.
#[derive(Clone, Debug)]
struct Customer {
    /// `None` without a tenant row, else whether the tenant is wanted.
    row: Option<bool>,
    bridges: usize,
    stored: Stored,
    stored_status: &'static str,
    status: &'static str,
    declared: Declared,
    tombstone: Tombstone,
}

impl Customer {
    fn ids(&self, nth: usize) -> Vec<i64> {
        let first = 100 + 2 * i64::try_from(nth).unwrap_or(0);
        [first, first + 1].into_iter().take(self.bridges).collect()
    }

    fn stored_id(&self, nth: usize) -> Option<i64> {
        let ids = self.ids(nth);
        match self.stored {
            Stored::Nothing => None,
            Stored::First => ids.first().copied(),
            Stored::Second => ids.get(1).copied(),
            Stored::AnotherOne => Some(9_999),
        }
    }

    fn is_needed(&self) -> bool {
        self.row == Some(true) || self.declared == Declared::Extra
    }

    /// The bridge that serves a customer that is wanted or kept; all other bridges are needless.
    fn serving(&self, nth: usize) -> Option<i64> {
        let ids = self.ids(nth);
        let stored = self.stored_id(nth).filter(|id| self.row.is_some() && ids.contains(id));
        let serves = stored.or_else(|| ids.first().copied());
        serves.filter(|_| self.is_needed() || self.declared == Declared::Keep)
    }

    /// The customer_ref and bridge_id that its tombstone names.
    fn removed(&self, nth: usize) -> Option<(String, i64)> {
        let (ids, name) = (self.ids(nth), name(nth));
        match self.tombstone {
            Tombstone::None => None,
            Tombstone::OfTheFirst => Some((name, *ids.first()?)),
            Tombstone::OfTheSecond => Some((name, *ids.get(1)?)),
            Tombstone::WithAnotherRef => Some((format!("not_{name}"), *ids.first()?)),
            Tombstone::OfAGoneBridge => Some((name, 5_000 + i64::try_from(nth).ok()?)),
        }
    }
}

fn name(nth: usize) -> String {
    format!("cust_{nth:02}")
}

fn customer() -> impl Strategy<Value = Customer> {
    let stored =
        prop::sample::select(vec![Stored::Nothing, Stored::First, Stored::Second, Stored::AnotherOne]);
    let statuses = vec!["paired", "awaiting_scan", "disconnected", "unknown"];
    let status = prop::sample::select(vec!["connected", "qr", "disconnected", "syncing"]);
    let declared =
        prop::sample::select(vec![Declared::Nothing, Declared::Nothing, Declared::Extra, Declared::Keep]);
    let tombstone = prop::sample::select(vec![
        Tombstone::None,
        Tombstone::OfTheFirst,
        Tombstone::OfTheSecond,
        Tombstone::WithAnotherRef,
        Tombstone::OfAGoneBridge,
    ]);
    (any::<Option<bool>>(), 0_usize..=2, stored, prop::sample::select(statuses), status, declared, tombstone)
        .prop_map(|(row, bridges, stored, stored_status, status, declared, tombstone)| {
            // fleet.yaml cannot keep and remove the same bridge. A customer who left has at most one bridge here: with two
            // bridges and a tombstone for the one that serves, the next plan would link the row to the other one.
            let tombstone = if declared == Declared::Keep { Tombstone::None } else { tombstone };
            let bridges = if row == Some(false) { bridges.min(1) } else { bridges };

            Customer { row, bridges, stored, stored_status, status, declared, tombstone }
        })
}

/// Creates these customers at the provider, in the database and in fleet.yaml. It adds one healthy tenant, because a guard
/// refuses an empty list, and one bridge without a customer_ref.
async fn set_up(fleet: &Fleet, customers: &[Customer]) -> Result<()> {
    let sandbox = &fleet.sandbox;
    for bridge in sandbox.bridges().await? {
        sandbox.remove(bridge["id"].as_i64().context("no id")?).await?;
    }
    let mut bridges = vec![
        json!({"id": 1, "customer_ref": "anchor", "status": "connected"}),
        json!({"id": 2, "customer_ref": null, "status": "connected"}),
    ];
    let mut sql = String::from(
        "TRUNCATE wab_bridges, wab_bridge_events, wab_observations, wab_operations, wab_runs, wab_declared, tenants;
         INSERT INTO tenants VALUES ('anchor', 'active', 1, 'paired');",
    );
    let (mut extra, mut keep, mut remove) = (Vec::new(), Vec::new(), Vec::new());
    for (nth, customer) in customers.iter().enumerate() {
        let name = name(nth);
        for id in customer.ids(nth) {
            bridges.push(json!({"id": id, "customer_ref": name, "status": customer.status}));
        }
        if let Some(wanted) = customer.row {
            let status = if wanted { "active" } else { "cancelled" };
            let stored = customer.stored_id(nth).map_or_else(|| "NULL".to_owned(), |id| id.to_string());
            write!(
                sql,
                "INSERT INTO tenants VALUES ('{name}', '{status}', {stored}, '{}');",
                customer.stored_status
            )?;
        }
        match customer.declared {
            Declared::Nothing => {}
            Declared::Extra => extra.push(format!("{{ tenant_id: {name}, reason: ours }}")),
            Declared::Keep => keep.push(format!("{{ customer_ref: {name}, reason: demo }}")),
        }
        if let Some((customer_ref, id)) = customer.removed(nth) {
            remove.push(format!("{{ customer_ref: {customer_ref}, bridge_id: {id}, reason: left }}"));
        }
    }
    sandbox.add(json!(bridges)).await?;
    fleet.sql(&sql)?;
    fleet.fleet_yaml(&format!(
        "  limits: {{ provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }}\n\
         tenants: {{ table: public.tenants, wanted: status = 'active' }}\n\
         bridges:\n  extra: [ {} ]\n  keep: [ {} ]\n  remove: [ {} ]\n\
         policy: {{ max_creates: 1000, max_deletes: 1000, min_observed: 0 }}\n",
        extra.join(", "),
        keep.join(", "),
        remove.join(", ")
    ))?;
    sandbox.clear_ledger().await
}

fn plan(fleet: &Fleet) -> Result<Value> {
    let said = fleet.wab(&["plan", "--json"])?;
    ensure!(said.code == 0, "plan exits {}: {}{}", said.code, said.stdout, said.stderr);
    Ok(serde_json::from_str(&said.stdout)?)
}

async fn converges(fleet: &Fleet, customers: &[Customer]) -> Result<()> {
    set_up(fleet, customers).await?;
    let (one, other) = (plan(fleet)?, plan(fleet)?);
    ensure!(one["steps"] == other["steps"] && one["plan_sha256"] == other["plan_sha256"], "{one}\n{other}");
    ensure!(
        fleet.sandbox.calls("GET").await? == fleet.sandbox.ledger().await?.len(),
        "a plan must send no call but GET"
    );
    let said = fleet.wab(&["apply", "-y"])?;
    ensure!(said.code == 0, "apply exits {}: {}{}", said.code, said.stdout, said.stderr);
    let left = plan(fleet)?;
    ensure!(left["steps"] == json!([]), "steps left: {}\nafter this apply: {}", left["steps"], said.stdout);
    let still_bound = fleet.sql(
        "SELECT t.id FROM tenants t WHERE t.status = 'cancelled'
           AND NOT EXISTS (SELECT FROM wab_bridges b WHERE b.customer_ref = t.id)
           AND NOT EXISTS (SELECT FROM wab_declared d WHERE d.customer_ref = t.id AND d.kind = 'extra')
           AND (t.bridge_id IS NOT NULL OR t.bridge_status <> 'unknown')",
    )?;
    ensure!(still_bound.is_empty(), "these rows hold bridges that are gone: {still_bound}");

    let all = || customers.iter().enumerate();
    let missing: BTreeSet<String> =
        all().filter(|(_, c)| c.is_needed() && c.bridges == 0).map(|(nth, _)| name(nth)).collect();
    let removed = |nth: usize, c: &Customer| {
        let (customer_ref, id) = c.removed(nth)?;
        let useless = c.ids(nth).contains(&id) && c.serving(nth) != Some(id);
        (customer_ref == name(nth) && useless).then_some(id)
    };
    let deleted: BTreeSet<i64> = all().filter_map(|(nth, c)| removed(nth, c)).collect();
    let ledger = fleet.sandbox.ledger().await?;
    let called = |method: &str, field: fn(&Value) -> String| -> Vec<String> {
        let mut all: Vec<String> = ledger.iter().filter(|call| call["method"] == method).map(field).collect();
        all.sort();
        all
    };
    let posts = called("POST", |call| call["customer_ref"].as_str().unwrap_or_default().to_owned());
    ensure!(posts == missing.iter().cloned().collect::<Vec<_>>(), "posts {posts:?}, missing {missing:?}");
    let deletes = called("DELETE", |call| call["path"].as_str().unwrap_or_default().to_owned());
    let wished: Vec<String> = deleted.iter().map(|id| format!("/api/instances/{id}")).collect();
    ensure!(deletes == wished, "the plan deletes {deletes:?}, the valid tombstones name {wished:?}");

    let live = fleet.sandbox.bridges().await?;
    let live: BTreeMap<i64, &str> = live
        .iter()
        .filter_map(|b| Some((b["id"].as_i64()?, b["customer_ref"].as_str().unwrap_or("-"))))
        .collect();
    let kept: BTreeSet<i64> =
        all().flat_map(|(nth, c)| c.ids(nth)).filter(|id| !deleted.contains(id)).collect();
    ensure!(kept.iter().all(|id| live.contains_key(id)), "a bridge that must be kept is missing: {live:?}");
    ensure!(live.get(&2) == Some(&"-"), "the bridge without a customer_ref is missing: {live:?}");
    ensure!(live.len() == 2 + kept.len() + missing.len(), "there are more bridges than expected: {live:?}");
    Ok(())
}

#[test]
fn random_fleets_converge_and_lose_nothing() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limits = ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
    let fleet = Fleet::with(Sandbox::start(&[&["--list-status"][..], &limits].concat())?, &[])?;
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
         SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
    )?;
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(customer(), 1..14), |customers| {
            runtime
                .block_on(converges(&fleet, &customers))
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
        .map_err(|error| anyhow::anyhow!("{error}"))
}
