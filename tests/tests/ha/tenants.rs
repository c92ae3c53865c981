//! Signs tenants up in groups, runs `wab apply` for them, and counts what was lost and what was done twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::sandbox::{KEY, Sandbox};
use e2e::{process, wait};
use serde_json::json;
use tempfile::TempDir;

use crate::patroni::{DATABASE, Patroni};

/// The tenants of one group, and so the steps of one apply.
pub const STEPS: usize = 50;

/// The provider, and the folder of fleet.yaml.
pub struct Tenants {
    sandbox: Sandbox,
    dir: TempDir,
}

impl Tenants {
    /// Starts a provider that answers each POST after 0.3 s, and two tenants with their bridges.
    pub async fn new(patroni: &Patroni) -> Result<Self> {
        let limits =
            ["--limit-provision", "0", "--limit-proxy", "0", "--limit-other", "0", "--limit-floor", "0"];
        let sandbox = Sandbox::start(&[&["--list-status"][..], &limits].concat())?;
        let known = ["first", "second"].map(|of| json!({"customer_ref": of, "status": "connected"}));
        sandbox.add(json!(known)).await?;
        let slow = json!({"method": "POST", "path": "/api/instances", "kind": "delay", "ms": 300});
        sandbox.fault(slow).await?;
        patroni.sql(
            "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
             INSERT INTO tenants VALUES ('first'), ('second');
             SELECT * FROM wab_bind_tenants('tenants')",
        )?;
        let tenants = Self { sandbox, dir: tempfile::tempdir()? };
        let yaml = format!(
            "version: 1\naccount:\n  api_url: {}\n  limits: {{ provision: 1000/1s, proxy: 1000/1s, other: 1000/1s }}\n\
             tenants: {{ table: public.tenants }}\npolicy: {{ max_creates: {STEPS} }}\n",
            tenants.sandbox.url()
        );
        std::fs::write(tenants.dir.path().join("fleet.yaml"), yaml)?;
        let (code, said) = tenants.apply(patroni)?.end()?;
        ensure!(code == 0, "{said}");
        Ok(tenants)
    }

    /// Adds the tenants of this group.
    pub fn sign_up(&self, patroni: &Patroni, group: usize) -> Result<()> {
        patroni
            .sql(&format!(
                "INSERT INTO tenants SELECT 'g{group:02}_' || lpad(n::text, 2, '0') FROM generate_series(1, {STEPS}) n"
            ))
            .map(drop)
    }

    /// Starts `wab apply -y`.
    pub fn apply(&self, patroni: &Patroni) -> Result<Run> {
        let mut wab = self.wab(patroni, &["apply", "-y"])?;
        let child =
            wab.stdin(Stdio::null()).stdout(self.file("stdout")?).stderr(self.file("stderr")?).spawn()?;
        Ok(Run { child, dir: self.dir.path().to_owned() })
    }

    /// Waits until the provider has made so many bridges of the group.
    pub async fn made(&self, group: usize, bridges: usize) -> Result<()> {
        wait::until_within(Duration::from_secs(60), "the provider has made enough bridges", || async {
            Ok((self.posts(group).await?.values().sum::<usize>() >= bridges).then_some(()))
        })
        .await
    }

    /// The tenants of the group whose rows do not hold a live bridge of theirs that wab_bridges has.
    pub async fn lost(&self, patroni: &Patroni, group: usize) -> Result<usize> {
        let held = patroni.sql(&format!(
            "SELECT t.id, t.bridge_id FROM tenants t JOIN wab_bridges b ON (b.bridge_id, b.customer_ref) = (t.bridge_id, t.id)
             WHERE t.id LIKE 'g{group:02}%'"
        ))?;
        let live: Vec<_> = self.live(group).await?;
        let is_live = |row: &&str| {
            row.split_once('|').is_some_and(|(of, id)| live.contains(&(of.to_owned(), id.to_owned())))
        };
        Ok(STEPS - held.lines().filter(is_live).count())
    }

    /// The bridges of the group beyond one for each tenant, by the calls that were sent and by what is live.
    pub async fn twice(&self, group: usize) -> Result<usize> {
        let posts: usize = self.posts(group).await?.values().map(|posts| posts - 1).sum();
        Ok(posts.max(self.live(group).await?.len().saturating_sub(STEPS)))
    }

    /// Checks that the next plan is empty.
    pub fn plan_is_empty(&self, patroni: &Patroni) -> Result<()> {
        let said = process::run(&mut self.wab(patroni, &["plan", "--detailed-exitcode"])?)?;
        ensure!(said.code == 0, "the next plan has steps: {}{}", said.stdout, said.stderr);
        Ok(())
    }

    /// How many POSTs each tenant of the group caused.
    async fn posts(&self, group: usize) -> Result<BTreeMap<String, usize>> {
        let prefix = format!("g{group:02}");
        let mut posts = BTreeMap::new();
        for call in self.sandbox.ledger().await? {
            let of = call["customer_ref"].as_str().filter(|of| of.starts_with(&prefix));
            if let Some(of) = of.filter(|_| call["method"] == "POST") {
                *posts.entry(of.to_owned()).or_default() += 1;
            }
        }
        Ok(posts)
    }

    /// The customer_refs and ids of the group's live bridges.
    async fn live(&self, group: usize) -> Result<Vec<(String, String)>> {
        let prefix = format!("g{group:02}");
        let bridges = self.sandbox.bridges().await?;
        let pairs = bridges
            .iter()
            .filter_map(|it| Some((it["customer_ref"].as_str()?.to_owned(), it["id"].to_string())));
        Ok(pairs.filter(|(of, _)| of.starts_with(&prefix)).collect())
    }

    fn wab(&self, patroni: &Patroni, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(process::built("wab")?);
        command.args(args).current_dir(self.dir.path()).env("WA_API_KEY", KEY).env_remove("CI");
        command.env("DATABASE_URL", patroni.url(DATABASE));
        Ok(command)
    }

    fn file(&self, name: &str) -> Result<File> {
        File::create(self.dir.path().join(name)).with_context(|| format!("cannot write {name}"))
    }
}

/// A running `wab apply`.
pub struct Run {
    child: Child,
    dir: std::path::PathBuf,
}

impl Run {
    /// Waits for its end; returns the exit code and its output.
    pub fn end(mut self) -> Result<(i32, String)> {
        let ended = tokio::task::block_in_place(|| self.child.wait())?;
        let read = |name: &str| std::fs::read_to_string(Path::new(&self.dir).join(name));
        Ok((ended.code().unwrap_or(-1), read("stdout")? + &read("stderr")?))
    }
}
