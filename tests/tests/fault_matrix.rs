//! Tests an apply of fifty steps with each fault of the sandbox at each kind of call: one more run converges, no bridge is
//! duplicated, lost or deleted without a tombstone, and each exit code is the documented one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use e2e::fleet::{DATABASE, Fleet};
use e2e::process;
use e2e::sandbox::{KEY, Sandbox};
use serde_json::{Value, json};

const WORKERS: usize = 4;
/// Ids of the bridges that tombstones name, and of two more that no tenant needs.
const REMOVED: [i64; 4] = [201, 202, 203, 204];
const ORPHANS: [i64; 2] = [205, 206];

/// The kinds of call that an apply makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    List,
    Get,
    Post,
    Delete,
    Session,
}

impl Call {
    const ALL: [Self; 5] = [Self::List, Self::Get, Self::Post, Self::Delete, Self::Session];

    /// The matcher of a fault that strikes this kind of call.
    fn matcher(self) -> Value {
        match self {
            Self::List => json!({"method": "GET", "path": "/api/instances"}),
            Self::Get => json!({"method": "GET", "path_prefix": "/api/instances/2"}),
            Self::Post => json!({"method": "POST", "path": "/api/instances"}),
            Self::Delete => json!({"method": "DELETE", "path_prefix": "/api/instances/2"}),
            Self::Session => json!({"method": "GET", "path_prefix": "/api/instances/new_"}),
        }
    }

    /// The number of calls of this kind that succeed before the fault strikes one in the middle.
    const fn after(self) -> u64 {
        match self {
            Self::List => 0,
            Self::Get | Self::Delete => 1,
            Self::Post | Self::Session => 12,
        }
    }
}

/// The effect of a fault on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The answer is right, even if it is late; `wab` waits after a 429.
    Harmless,
    /// The answer cannot be read. `Work` tells whether the work was done, `Again` whether `wab` repeats a GET.
    Lost(Work, Again),
    /// A success with a body that makes no sense.
    Nonsense(Work),
    /// The provider refuses the call.
    Refused,
    /// 401.
    Auth,
    /// 404.
    Gone,
    /// A list that lacks bridges.
    Absence,
    /// A list with a row that cannot be read.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Done,
    NotDone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Retried,
    NotRetried,
}

/// Whether a fault strikes one call or all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    Always,
}

/// A fault, its name in the table, and its effect.
struct Fault {
    name: &'static str,
    order: Value,
    effect: Effect,
    only_list: bool,
}

fn faults() -> Vec<Fault> {
    use Effect::{Absence, Auth, Gone, Harmless, Incomplete, Lost, Nonsense, Refused};
    let of = |name, order, effect| Fault { name, order, effect, only_list: false };
    let list = |name, effect| Fault { name, order: json!({"kind": name}), effect, only_list: true };
    let status = |name, code: u16, effect| of(name, json!({"kind": "status", "code": code}), effect);
    vec![
        of("delay", json!({"kind": "delay", "ms": 20}), Harmless),
        of("drip", json!({"kind": "drip", "ms_per_chunk": 1, "chunk": 400}), Harmless),
        of("hang", json!({"kind": "hang"}), Lost(Work::NotDone, Again::NotRetried)),
        of("hang_after_headers", json!({"kind": "hang_after_headers"}), Lost(Work::Done, Again::NotRetried)),
        of("reset", json!({"kind": "reset"}), Lost(Work::NotDone, Again::Retried)),
        status("status 400", 400, Refused),
        status("status 401", 401, Auth),
        status("status 404", 404, Gone),
        status("status 409", 409, Refused),
        of("status 429", json!({"kind": "status", "code": 429, "retry_after": 1}), Harmless),
        status("status 429 bare", 429, Harmless),
        status("status 500", 500, Lost(Work::NotDone, Again::Retried)),
        status("status 503", 503, Lost(Work::NotDone, Again::Retried)),
        of("html", json!({"kind": "html"}), Nonsense(Work::NotDone)),
        of("truncated", json!({"kind": "truncated"}), Lost(Work::Done, Again::Retried)),
        of("cut_json", json!({"kind": "cut_json"}), Nonsense(Work::Done)),
        of("garbage", json!({"kind": "garbage"}), Nonsense(Work::NotDone)),
        of("huge", json!({"kind": "huge", "bytes": 1_000_000}), Nonsense(Work::NotDone)),
        list("empty_list", Absence),
        list("half_list", Absence),
        of("lost_reply", json!({"kind": "lost_reply"}), Lost(Work::Done, Again::Retried)),
        list("duplicate_row", Incomplete),
        list("malformed_row", Incomplete),
        of("redirect", json!({"kind": "redirect", "location": "https://example.com/"}), Refused),
        of("gzip_bomb", json!({"kind": "gzip_bomb", "bytes": 20_000_000}), Nonsense(Work::NotDone)),
    ]
}

/// The documented exit code, with the reason.
fn expected(effect: Effect, call: Call, times: Times) -> i32 {
    use Effect::{Absence, Auth, Gone, Harmless, Incomplete, Lost, Nonsense, Refused};
    match (call, effect) {
        // `wab` asks for the status of a new bridge once; a failure of this call is no failure of the run.
        (Call::Session, _) | (_, Harmless) => 0,
        // `wab` repeats a GET, so a fault that strikes once is harmless.
        (Call::List | Call::Get, Lost(_, Again::Retried)) if times == Times::Once => 0,
        // Without a list there is no plan. The reason is the key (3), a guard (5) or another error (1).
        (Call::List, Auth) => 3,
        (Call::List, Absence) => 5,
        (Call::List, Lost(..) | Nonsense(_) | Refused | Gone | Incomplete) => 1,
        // 204 has no body, so a fault of the body has no effect.
        (Call::Delete, Lost(Work::Done, _) | Nonsense(Work::Done)) => 0,
        // After a lost answer `wab` looks the bridge up and finds that it exists.
        (Call::Post, Lost(Work::Done, _) | Nonsense(Work::Done)) => 0,
        // The other steps succeed, so the plan is partly applied. A 404 is no deletion while the provider lists the bridge.
        (Call::Get | Call::Post | Call::Delete, _) => 4,
    }
}

struct Cell {
    fault: usize,
    call: Call,
    times: Times,
}

fn cells(faults: &[Fault]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (fault, of) in faults.iter().enumerate() {
        for call in Call::ALL.into_iter().filter(|call| !of.only_list || *call == Call::List) {
            for times in [Times::Once, Times::Always] {
                cells.push(Cell { fault, call, times });
            }
        }
    }
    cells
}

/// The bridges of ten healthy tenants, of eight without a stored bridge_id and of eight with a wrong stored status, and six
/// bridges that no tenant needs. Thirty more tenants have no bridge.
fn bridges() -> Vec<Value> {
    let named = |prefix: &str, first: i64, count: i64| -> Vec<Value> {
        let bridge = |nth| json!({"id": first + nth, "customer_ref": format!("{prefix}_{nth}"), "status": "connected"});
        (0..count).map(bridge).collect()
    };
    [named("well", 1, 10), named("loose", 21, 8), named("sick", 41, 8), named("gone", 201, 6)].concat()
}

const TENANTS: &str = "
    TRUNCATE wab_bridges, wab_bridge_events, wab_observations, wab_operations, wab_runs, wab_declared, tenants;
    INSERT INTO tenants SELECT 'well_' || n, 'active', 1 + n, 'paired' FROM generate_series(0, 9) n;
    INSERT INTO tenants SELECT 'loose_' || n, 'active', NULL, 'paired' FROM generate_series(0, 7) n;
    INSERT INTO tenants SELECT 'sick_' || n, 'active', 41 + n, 'disconnected' FROM generate_series(0, 7) n;
    INSERT INTO tenants SELECT 'new_' || n, 'active', NULL, NULL FROM generate_series(0, 29) n";

/// One cluster and one sandbox, which one thread uses for many cells of the matrix.
struct Worker {
    fleet: Fleet,
    said: String,
}

impl Worker {
    fn start() -> Result<Self> {
        let limits =
            ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
        let sandbox = Sandbox::start(&[&["--list-status"][..], &limits].concat())?;
        let fleet = Fleet::with(sandbox, &[("log_statement", "all")])?;
        fleet.sql(
            "CREATE TABLE tenants (id text PRIMARY KEY, status text NOT NULL, bridge_id bigint, bridge_status text);
             SELECT * FROM wab_bind_tenants('tenants', wanted => 'status = ''active''')",
        )?;
        let tombstones: Vec<String> = (0_i64..4)
            .map(|n| format!("{{ customer_ref: gone_{n}, bridge_id: {}, reason: left }}", 201 + n))
            .collect();
        fleet.fleet_yaml(&format!(
            "  request_timeout: 400ms\n  limits: {{ provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }}\n\
             tenants: {{ table: public.tenants, wanted: status = 'active' }}\n\
             bridges: {{ remove: [ {} ] }}\npolicy: {{ max_creates: 50, max_deletes: 4 }}\n",
            tombstones.join(", ")
        ))?;
        Ok(Self { fleet, said: String::new() })
    }

    fn wab(&mut self, args: &[&str]) -> Result<(i32, String, String)> {
        let said = self.fleet.wab(args)?;
        self.said += &said.stdout;
        self.said += &said.stderr;
        Ok((said.code, said.stdout, said.stderr))
    }

    async fn reset(&mut self) -> Result<()> {
        let sandbox = &self.fleet.sandbox;
        sandbox.heal().await?;
        for bridge in sandbox.bridges().await? {
            sandbox.remove(bridge["id"].as_i64().context("no id")?).await?;
        }
        sandbox.add(json!(bridges())).await?;
        self.fleet.sql(TENANTS)?;
        self.fleet.observe().await?;
        sandbox.clear_ledger().await
    }

    /// Returns the exit code of the faulty run, or an error that names the broken promise.
    async fn try_cell(&mut self, fault: &Fault, cell: &Cell) -> Result<i32> {
        self.reset().await?;
        let mut order = cell.call.matcher();
        for (key, value) in fault.order.as_object().into_iter().flatten() {
            order[key] = value.clone();
        }
        order["after"] = json!(cell.call.after());
        // `wab` waits for minutes while the provider answers 429, so these faults strike only three times.
        match cell.times {
            Times::Once => order["times"] = json!(1),
            Times::Always if fault.name.starts_with("status 429") => order["times"] = json!(3),
            Times::Always => {}
        }
        self.fleet.sandbox.fault(order).await?;
        let (code, stdout, stderr) = self.wab(&["apply", "-y"])?;
        let struck =
            self.fleet.sandbox.ledger().await?.iter().filter(|call| !call["fault"].is_null()).count();
        ensure!(struck > 0, "the fault struck no call");
        let wanted = expected(fault.effect, cell.call, cell.times);
        ensure!(code == wanted, "exit code {code} instead of {wanted}: {stdout}{stderr}");
        self.fleet.sandbox.heal().await?;
        let (again, stdout, stderr) = self.wab(&["apply", "-y"])?;
        ensure!(again == 0, "the second run ended with exit code {again}: {stdout}{stderr}");
        self.require_convergence().await?;
        Ok(code)
    }

    async fn require_convergence(&mut self) -> Result<()> {
        let (code, stdout, stderr) = self.wab(&["plan", "--json"])?;
        ensure!(code == 0, "{stdout}{stderr}");
        let plan: Value = serde_json::from_str(&stdout)?;
        ensure!(plan["steps"] == json!([]), "the next plan still has steps: {}", plan["steps"]);

        let live = self.fleet.sandbox.bridges().await?;
        let mut held: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for bridge in &live {
            let id = bridge["id"].as_i64().context("no id")?;
            held.entry(bridge["customer_ref"].as_str().context("no customer_ref")?).or_default().push(id);
        }
        ensure!(held.values().all(|ids| ids.len() == 1), "a duplicate: {held:?}");
        ensure!(
            ORPHANS.iter().all(|id| held.values().any(|ids| ids == &[*id])),
            "an orphaned bridge was deleted without a tombstone"
        );
        ensure!(
            !REMOVED.iter().any(|id| held.values().any(|ids| ids == &[*id])),
            "a bridge with a tombstone was not deleted"
        );
        let rows = self.fleet.sql("SELECT id, bridge_id FROM tenants ORDER BY id")?;
        let bound: BTreeSet<String> = rows.lines().map(str::to_owned).collect();
        let right: BTreeSet<String> = held
            .iter()
            .filter(|(name, _)| !name.starts_with("gone_"))
            .map(|(name, ids)| format!("{name}|{}", ids[0]))
            .collect();
        ensure!(
            bound == right,
            "tenant rows with a wrong bridge_id: {:?}",
            bound.symmetric_difference(&right)
        );
        self.require_careful_calls().await
    }

    /// Checks that `wab` sent no POST again after one that succeeded, and no DELETE without a tombstone.
    async fn require_careful_calls(&self) -> Result<()> {
        const UNDER_WHICH_WORK_IS_DONE: [&str; 6] =
            ["delay", "drip", "hang_after_headers", "truncated", "cut_json", "lost_reply"];
        let mut made: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.fleet.sandbox.ledger().await? {
            let worked = call["fault"].as_str().is_none_or(|kind| UNDER_WHICH_WORK_IS_DONE.contains(&kind));
            match call["method"].as_str() {
                Some("POST") if worked => {
                    *made.entry(call["customer_ref"].to_string()).or_default() += 1;
                }
                Some("DELETE") => {
                    let path = call["path"].as_str().unwrap_or_default();
                    let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
                    ensure!(
                        id.is_some_and(|id: i64| REMOVED.contains(&id)),
                        "deleted without a tombstone: {call}"
                    );
                }
                _ => {}
            }
        }
        let twice: Vec<_> = made.iter().filter(|(_, posts)| **posts > 1).collect();
        ensure!(twice.is_empty() && made.len() == 30, "POSTs: {} tenants, repeated: {twice:?}", made.len());
        Ok(())
    }

    /// Checks that the outputs, a dump and the server's log do not contain the key.
    fn require_discretion(&self) -> Result<()> {
        let dump = process::must(self.fleet.cluster.program("pg_dump", DATABASE).args(["--no-owner"]))?;
        let log = self.fleet.cluster.log()?;
        ensure!(
            dump.contains("wab_operations") && log.contains("wab_observe"),
            "the searched texts must not be empty"
        );
        ensure!(
            ![&self.said, &dump, &log].iter().any(|text| text.contains(KEY)),
            "an output, the dump or the log contains the API key"
        );
        Ok(())
    }
}

#[test]
fn the_matrix_knows_every_fault_of_the_sandbox() -> Result<()> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/src/faults.rs"))?;
    let names = source.split("pub fn name(").nth(1).and_then(|rest| rest.split("\n    }\n").next());
    let names: BTreeSet<&str> = names.context("no names")?.split('"').skip(1).step_by(2).collect();
    let faults = faults();
    let known: BTreeSet<&str> = faults.iter().filter_map(|fault| fault.order["kind"].as_str()).collect();
    assert_eq!(known, names);
    assert!(names.len() >= 18, "{names:?}");
    Ok(())
}

#[test]
fn whatever_goes_wrong_one_more_run_converges() -> Result<()> {
    let faults = faults();
    let cells = cells(&faults);
    let queue = Mutex::new(cells.iter());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut worker = Worker::start()?;
            loop {
                let Some(cell) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() else { break };
                let result = runtime.block_on(worker.try_cell(&faults[cell.fault], cell));
                results.lock().unwrap_or_else(PoisonError::into_inner).push((cell, result));
            }
            worker.require_discretion()
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a worker panicked")))
    })?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (table, bad) = summarize(&faults, &results);
    println!("{table}");
    assert_eq!(results.len(), cells.len());
    assert!(bad.is_empty(), "{} of {} cells:\n{}", bad.len(), cells.len(), bad.join("\n"));
    Ok(())
}

/// The table of exit codes, and the list of failures.
fn summarize(faults: &[Fault], results: &[(&Cell, Result<i32>)]) -> (String, Vec<String>) {
    let mut table: BTreeMap<(usize, Call), [String; 2]> = BTreeMap::new();
    let mut bad = Vec::new();
    for (cell, result) in results {
        let place = table.entry((cell.fault, cell.call)).or_default();
        place[usize::from(cell.times == Times::Always)] = match result {
            Ok(code) => code.to_string(),
            Err(error) => {
                bad.push(format!(
                    "{} at {:?}, {:?}: {error:#}",
                    faults[cell.fault].name, cell.call, cell.times
                ));
                "BAD".to_owned()
            }
        };
    }
    let mut lines = vec![
        format!("exit codes of the faulty run, struck once/always; {} cells", results.len()),
        format!("{:<20}{}", "fault", Call::ALL.map(|call| format!("{:>10}", format!("{call:?}"))).concat()),
    ];
    for (nth, fault) in faults.iter().enumerate() {
        let cell = |call| table.get(&(nth, call)).map_or_else(|| "-".to_owned(), |codes| codes.join("/"));
        lines.push(format!(
            "{:<20}{}",
            fault.name,
            Call::ALL.map(|call| format!("{:>10}", cell(call))).concat()
        ));
    }
    (lines.join("\n"), bad)
}
