//! Measures how fast webhooks are received, against a receiver of Express and pg.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fleet::DATABASE;
use e2e::served::Served;
use wabridges::WebhookKeys;

use crate::contest::{Outcome, ROUNDS, Run};
use crate::load::{Loaded, load};
use crate::report::{Row, Target};
use crate::scene::{Scene, alternatives};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How long a round lasts for each contestant.
const TIME: Duration = Duration::from_secs(4);

const OWN: &str = "Express, pg, tables of its own";
const FUNCTION: &str = "Express, pg, wab_ingest_event()";

/// The tables of the alternatives: one of bridges and one of events.
const OWN_TABLES: &str = "
    CREATE TABLE own_bridges (bridge_id bigint PRIMARY KEY, customer_ref text NOT NULL UNIQUE, status text, raw_status text,
                              status_at timestamptz);
    CREATE TABLE own_events (event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bridge_id bigint NOT NULL,
                             event text NOT NULL, status text NOT NULL, at timestamptz NOT NULL);
    CREATE INDEX ON own_events (bridge_id, at);
    INSERT INTO own_bridges SELECT bridge_id, customer_ref, status, raw_status, now() FROM wab_bridges;
    CREATE ROLE receiver LOGIN IN ROLE wab_receiver;
    CREATE ROLE operator LOGIN SUPERUSER;
    VACUUM ANALYZE";

/// Measures all comparisons.
pub fn rows(scene: &Scene, tell: &mut impl FnMut(Row)) -> Result<()> {
    let roles = scene.fleet.wab(&["sql", "roles"])?.stdout;
    scene.fleet.sql(&roles)?;
    for statement in OWN_TABLES.split(";\n") {
        scene.fleet.sql(statement)?;
    }
    let events = Events::of(scene)?;
    contest(scene, &events, "receiver", "plain")?.rows().into_iter().for_each(&mut *tell);
    let recorded = contest(scene, &events, "operator", "plain")?;
    tell(recorded.time(", which records its drift too", OWN, Target::None));
    tell(contest(scene, &events, "receiver", "function")?.time("", FUNCTION, Target::None));
    Ok(())
}

/// The requests: each event changes the status of its bridge, and no two in a row are of the same bridge.
struct Events {
    paths: Vec<String>,
}

impl Events {
    fn of(scene: &Scene) -> Result<Self> {
        let keys = WebhookKeys::new(KEY)?;
        let refs = scene.fleet.sql("SELECT customer_ref FROM wab_bridges ORDER BY md5(customer_ref)")?;
        Ok(Self { paths: refs.lines().map(|name| format!("/hooks/{name}/{}", keys.sign(name))).collect() })
    }

    fn request(&self, nth: usize) -> String {
        let (round, bridge) = (nth / self.paths.len(), nth % self.paths.len());
        let event = ["disconnected", "connected"][round % 2];
        let body = format!("{{\"event\": \"{event}\"}}");
        format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.paths[bridge],
            body.len()
        )
    }
}

/// What both contestants did in the measured rounds.
#[derive(Default)]
struct Told {
    ours: Vec<(Loaded, u64)>,
    theirs: Vec<(Loaded, u64)>,
}

impl Told {
    fn rows(&self) -> [Row; 3] {
        let p99 = self.outcome(|(loaded, _)| loaded.p99);
        let memory = self.outcome(|(_, kilobytes)| *kilobytes as f64);
        let kilobytes = |run: Run| Run { seconds: f64::NAN, peak_kb: run.seconds as u64 };
        let memory = Outcome {
            ours: kilobytes(memory.ours),
            theirs: kilobytes(memory.theirs),
            ratio: 1.0 / memory.ratio,
        };
        [
            self.time("", OWN, Target::Faster(8.0)),
            Row::new("webhooks, 99 of 100 answered within", OWN, p99, Target::AtMost(0.5)),
            Row::new("memory of the receiver", OWN, memory, Target::Memory(0.4)),
        ]
    }

    /// The time per event.
    fn time(&self, also: &str, against: &'static str, target: Target) -> Row {
        let outcome = self.outcome(|(loaded, _)| 1.0 / loaded.per_second);
        Row::new(&format!("webhooks, time per event{also}"), against, outcome, target)
    }

    fn outcome(&self, figure: fn(&(Loaded, u64)) -> f64) -> Outcome {
        let run = |one: &(Loaded, u64)| Run { seconds: figure(one), peak_kb: 0 };
        let runs = |all: &[(Loaded, u64)]| all.iter().map(run).collect::<Vec<_>>();
        Outcome::of(&runs(&self.ours), &runs(&self.theirs))
    }
}

fn contest(scene: &Scene, events: &Events, role: &str, variant: &str) -> Result<Told> {
    let ours = ours(scene, role)?;
    let theirs = Express::start(scene, variant)?;
    let (our_next, their_next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut told = Told::default();
    for round in 0..=ROUNDS {
        let run = |url: &str, id: u32, next: &AtomicUsize| -> Result<(Loaded, u64)> {
            let address = url.trim_start_matches("http://");
            let loaded = load(address, TIME, next, |nth| events.request(nth))?;
            Ok((loaded, resident(id)?))
        };
        let our_run = run(ours.url(), ours.id(), &our_next)?;
        let their_run = run(&theirs.url, theirs.child.id(), &their_next)?;
        if round > 0 {
            told.ours.push(our_run);
            told.theirs.push(their_run);
        }
    }
    Ok(told)
}

fn ours(scene: &Scene, role: &str) -> Result<Served> {
    let keys = scene.fleet.write("keys", &format!("{KEY}\n"))?;
    scene.fleet.fleet_yaml(&format!("bridges: {{ webhook_secret_file: {} }}\n", keys.display()))?;
    let mut command = scene.fleet.wab_command(&["serve", "--hooks-listen", "127.0.0.1:0"])?;
    let url = scene.fleet.cluster.url(DATABASE).replace("user=postgres", &format!("user={role}"));
    Served::start({
        command.env("DATABASE_URL", url);
        command
    })
}

/// The resident memory of a process in kilobytes.
fn resident(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("no number")
}

/// The other receiver; dropping it ends it.
struct Express {
    child: Child,
    url: String,
}

impl Express {
    fn start(scene: &Scene, variant: &str) -> Result<Self> {
        let mut child = Command::new("node")
            .arg(alternatives()?.join("receiver.mjs"))
            .env("DATABASE_URL", scene.fleet.cluster.url(DATABASE))
            .env("NODE_ENV", "production")
            .env("VARIANT", variant)
            .env("WEBHOOK_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut url)?;
        ensure!(url.starts_with("http://"), "receiver.mjs said {url:?}");
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Express {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
