//! Tests random fleets: two plans are equal, apply creates the missing bridges and deletes those with tombstones, and the next
//! plan has no steps but those whose rows the tenants table does not let it write. The test computes the expected result itself,
//! without `wab`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};

const CASES: u32 = 100;

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

/// What the tenants table does with an update of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It takes it.
    Fine,
    /// A trigger leaves the row out.
    Spared,
    /// A trigger puts the old row back.
    Reverted,
    /// A trigger raises an error.
    Raises,
    /// A constraint refuses the status disconnected.
    Strict,
}

impl Mood {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Spared => "spared",
            Self::Reverted => "reverted",
            Self::Raises => "raises",
            Self::Strict => "strict",
        }
    }

    /// Whether a row with this mood cannot take what this step of a plan writes.
    fn refuses(self, step: &Value) -> bool {
        match self {
            Self::Fine => false,
            Self::Spared | Self::Reverted | Self::Raises => step["kind"] != "delete",
            // Before a bridge is made, every status is tried.
            Self::Strict => step["kind"] == "provision" || step["status"] == "disconnected",
        }
    }
}

/// The tenants table, with an audit trail whose names are not qualified, and with a trigger and a constraint that refuse rows.
const TENANTS: &str = "
    CREATE TABLE tenants (
        id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text, mood text NOT NULL DEFAULT 'fine',
        CONSTRAINT never_disconnected CHECK (mood <> 'strict' OR bridge_status IS DISTINCT FROM 'disconnected'));
    CREATE TABLE audit (id text, bridge_id bigint);
    CREATE FUNCTION guard_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit VALUES (NEW.id, NEW.bridge_id);
        IF NEW.mood = 'raises' THEN
            RAISE EXCEPTION 'tenant % is under audit', NEW.id;
        END IF;
        RETURN CASE NEW.mood WHEN 'spared' THEN NULL WHEN 'reverted' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER guard BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION guard_tenant();
    SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')";

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
    mood: Mood,
    /// The id of its row was changed after its bridge was made.
    renamed: bool,
}

impl Customer {
    fn row_name(&self, nth: usize) -> String {
        if self.renamed { format!("moved_{nth:02}") } else { name(nth) }
    }

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
    let mood = prop::sample::select(vec![
        Mood::Fine,
        Mood::Fine,
        Mood::Fine,
        Mood::Fine,
        Mood::Spared,
        Mood::Reverted,
        Mood::Raises,
        Mood::Strict,
    ]);
    (
        any::<Option<bool>>(),
        0_usize..=2,
        stored,
        prop::sample::select(statuses),
        status,
        declared,
        tombstone,
        mood,
        any::<bool>(),
    )
        .prop_map(|(row, bridges, stored, stored_status, status, declared, tombstone, mood, moved)| {
            // fleet.yaml cannot keep and remove the same bridge. A customer who left has at most one bridge here: with two
            // bridges and a tombstone for the one that serves, the next plan would link the row to the other one.
            let tombstone = if declared == Declared::Keep { Tombstone::None } else { tombstone };
            let bridges = if row == Some(false) { bridges.min(1) } else { bridges };
            let stored_status = if mood == Mood::Strict && stored_status == "disconnected" {
                "paired"
            } else {
                stored_status
            };
            // Where a row cannot be cleared after its tombstone, the next plan has a step that the first one had not.
            let tombstone = if mood == Mood::Fine { tombstone } else { Tombstone::None };
            let renamed = moved
                && row == Some(true)
                && bridges > 0
                && stored == Stored::First
                && declared == Declared::Nothing
                && tombstone == Tombstone::None;
            Customer { row, bridges, stored, stored_status, status, declared, tombstone, mood, renamed }
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
                "INSERT INTO tenants VALUES ('{}', '{status}', {stored}, '{}', '{}');",
                customer.row_name(nth),
                customer.stored_status,
                customer.mood.as_str()
            )?;
        }
    }
    sandbox.add(json!(bridges)).await?;
    fleet.sql(&sql)?;
    declare(fleet, customers, 0)?;
    sandbox.clear_ledger().await
}

/// Writes fleet.yaml, which allows this many renamed tenants.
fn declare(fleet: &Fleet, customers: &[Customer], renamed: usize) -> Result<()> {
    let (mut extra, mut keep, mut remove) = (Vec::new(), Vec::new(), Vec::new());
    for (nth, customer) in customers.iter().enumerate() {
        let name = name(nth);
        match customer.declared {
            Declared::Nothing => {}
            Declared::Extra => extra.push(format!("{{ tenant_id: {name}, reason: ours }}")),
            Declared::Keep => keep.push(format!("{{ customer_ref: {name}, reason: demo }}")),
        }
        if let Some((customer_ref, id)) = customer.removed(nth) {
            remove.push(format!("{{ customer_ref: {customer_ref}, bridge_id: {id}, reason: left }}"));
        }
    }
    fleet.fleet_yaml(&format!(
        "  limits: {{ provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }}\n\
         tenants: {{ table: public.tenants, wanted: status = 'active' }}\n\
         bridges:\n  extra: [ {} ]\n  keep: [ {} ]\n  remove: [ {} ]\n\
         policy: {{ max_creates: 1000, max_deletes: 1000, min_observed: 0, renamed_tenants: {renamed} }}\n",
        extra.join(", "),
        keep.join(", "),
        remove.join(", ")
    ))?;
    Ok(())
}

fn plan(fleet: &Fleet, exit: i32) -> Result<Value> {
    let said = fleet.wab(&["plan", "--json"])?;
    ensure!(said.code == exit, "plan exits {} and not {exit}: {}{}", said.code, said.stdout, said.stderr);
    Ok(serde_json::from_str(&said.stdout)?)
}

/// The steps of a plan: kind and customer_ref.
fn steps(plan: &Value) -> impl Iterator<Item = (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    plan["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(move |step| (text(&step["kind"]), text(&step["customer_ref"])))
}

/// The steps of this plan whose rows cannot be written.
fn refused(plan: &Value, customers: &[Customer]) -> BTreeSet<(String, String)> {
    let mood = |customer_ref: &Value| {
        let of = |(nth, c): &(usize, &Customer)| customer_ref == &json!(c.row_name(*nth));
        customers
            .iter()
            .enumerate()
            .find(of)
            .filter(|(_, c)| c.row.is_some())
            .map_or(Mood::Fine, |(_, c)| c.mood)
    };
    let all = plan["steps"].as_array().into_iter().flatten();
    let bad = all.filter(|step| mood(&step["customer_ref"]).refuses(step)).cloned().collect();
    steps(&json!({ "steps": Value::Array(bad) })).collect()
}

async fn converges(fleet: &Fleet, customers: &[Customer]) -> Result<()> {
    set_up(fleet, customers).await?;
    let renamed = customers.iter().filter(|customer| customer.renamed).count();
    let exit = if renamed == 0 { 0 } else { 5 };
    let (one, other) = (plan(fleet, exit)?, plan(fleet, exit)?);
    ensure!(one["steps"] == other["steps"] && one["plan_sha256"] == other["plan_sha256"], "{one}\n{other}");
    ensure!(
        fleet.sandbox.calls("GET").await? == fleet.sandbox.ledger().await?.len(),
        "a plan must send no call but GET"
    );
    if renamed > 0 {
        let said = fleet.wab(&["apply", "-y"])?;
        ensure!(
            said.code == 5,
            "apply exits {} for {renamed} renamed: {}{}",
            said.code,
            said.stdout,
            said.stderr
        );
        ensure!(
            said.stdout.contains("renamed_tenants") || said.stderr.contains("renamed_tenants"),
            "{}",
            said.stdout
        );
        ensure!(plan(fleet, 5)?["steps"] == one["steps"], "a refused apply must change nothing");
        declare(fleet, customers, renamed)?;
    }
    let refused = refused(&one, customers);
    let said = fleet.wab(&["apply", "-y"])?;
    let exit = if refused.is_empty() { 0 } else { 4 };
    ensure!(said.code == exit, "apply exits {} and not {exit}: {}{}", said.code, said.stdout, said.stderr);
    for (_, name) in &refused {
        ensure!(said.stdout.contains(name.as_str()), "no word about {name}: {}{}", said.stdout, said.stderr);
    }
    let left: BTreeSet<_> = steps(&plan(fleet, 0)?).collect();
    ensure!(left == refused, "steps left: {left:?}; refused: {refused:?}\nafter this apply: {}", said.stdout);
    let still_bound = fleet.sql(
        "SELECT t.id FROM tenants t WHERE t.status = 'cancelled'
           AND NOT EXISTS (SELECT FROM wab_bridges b WHERE b.customer_ref = t.id)
           AND NOT EXISTS (SELECT FROM wab_declared d WHERE d.customer_ref = t.id AND d.kind = 'extra')
           AND (t.bridge_id IS NOT NULL OR t.bridge_status <> 'unknown') AND t.mood IN ('fine', 'strict')",
    )?;
    ensure!(still_bound.is_empty(), "these rows hold bridges that are gone: {still_bound}");

    let all = || customers.iter().enumerate();
    let missing: BTreeSet<String> = all()
        .filter(|(_, c)| c.renamed || (c.is_needed() && c.bridges == 0))
        .map(|(nth, c)| c.row_name(nth))
        .filter(|name| !refused.contains(&("provision".to_owned(), name.clone())))
        .collect();
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
    fleet.sql(TENANTS)?;
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(customer(), 1..14), |customers| {
            runtime
                .block_on(converges(&fleet, &customers))
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
        .map_err(|error| anyhow::anyhow!("{error}"))
}
