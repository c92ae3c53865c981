//! Starts and stops a sandbox process and sends it control calls.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process;

/// The API key of every sandbox that the tests start.
pub const KEY: &str = "sk_test_4f1d2c3b";

/// A running sandbox; dropping it kills the process.
pub struct Sandbox {
    child: Child,
    url: String,
    args: Vec<String>,
    http: reqwest::Client,
}

impl Sandbox {
    /// Starts a sandbox on a free port.
    pub fn start(args: &[&str]) -> Result<Self> {
        Self::listen("127.0.0.1:0", args)
    }

    /// Starts a sandbox on this address.
    pub fn listen(address: &str, args: &[&str]) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(process::built("sandbox")?)
            .args(["--listen", address, "--key", KEY])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The sandbox may outlive this process and must not keep the caller's terminal or pipe open.
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the sandbox")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        if !url.starts_with("http://") {
            let _ = child.kill();
            bail!("the first line of the sandbox was {line:?}");
        }
        let http = reqwest::Client::builder().no_proxy().build()?;
        let args = args.iter().map(ToString::to_string).collect();
        Ok(Self { child, url, args, http })
    }

    /// Kills the process; later connections are refused.
    pub fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts a stopped sandbox at the same address; it has its bridges again if it has a `--state` file.
    pub fn start_again(&mut self) -> Result<()> {
        let address = self.url.trim_start_matches("http://").to_owned();
        let args: Vec<_> = self.args.iter().map(String::as_str).collect();
        *self = Self::listen(&address, &args)?;
        Ok(())
    }

    /// The URL of the sandbox.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds bridges; each is an object with at least `customer_ref`.
    pub async fn add(&self, bridges: Value) -> Result<Value> {
        self.control("POST", "/bridges", Some(bridges)).await
    }

    /// Adds one running bridge and returns its id.
    pub async fn add_one(&self, customer_ref: &str, status: &str) -> Result<i64> {
        let added = self.add(json!([{"customer_ref": customer_ref, "status": status}])).await?;
        added[0]["id"].as_i64().with_context(|| format!("no id in {added}"))
    }

    /// Changes a bridge's status or state.
    pub async fn change(&self, id: i64, change: Value) -> Result<()> {
        self.control("PATCH", &format!("/bridges/{id}"), Some(change)).await.map(drop)
    }

    /// Removes a bridge with a control call, which the ledger does not record.
    pub async fn remove(&self, id: i64) -> Result<()> {
        self.control("DELETE", &format!("/bridges/{id}"), None).await.map(drop)
    }

    /// Sets the sandbox's clock to this time, at which it stands still until it is set again.
    pub async fn stop_clock_at(&self, time: &str) -> Result<()> {
        self.control("POST", "/clock", Some(json!({ "now": time }))).await.map(drop)
    }

    /// Changes the API key that is accepted, or whether the list shows statuses.
    pub async fn set(&self, settings: Value) -> Result<()> {
        self.control("POST", "/settings", Some(settings)).await.map(drop)
    }

    /// The sandbox's own record: when each bridge came to carry a customer_ref with a status, in order.
    pub async fn record(&self) -> Result<Vec<Value>> {
        let all = self.control("GET", "/statuses", None).await?;
        all.as_array().cloned().with_context(|| format!("no list: {all}"))
    }

    /// All bridges with all their fields.
    pub async fn bridges(&self) -> Result<Vec<Value>> {
        let all = self.control("GET", "/bridges", None).await?;
        all.as_array().cloned().with_context(|| format!("no list: {all}"))
    }

    /// The body of the API's list of the fleet.
    pub async fn listing(&self) -> Result<String> {
        let request = self.http.get(format!("{}/api/instances", self.url)).bearer_auth(KEY);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    /// The numbers of bridges by status and state.
    pub async fn summary(&self) -> Result<Value> {
        self.control("GET", "/summary", None).await
    }

    /// Injects a fault on matching requests.
    pub async fn fault(&self, fault: Value) -> Result<()> {
        self.control("POST", "/faults", Some(fault)).await.map(drop)
    }

    /// Removes all faults.
    pub async fn heal(&self) -> Result<()> {
        self.control("DELETE", "/faults", None).await.map(drop)
    }

    /// Every call that the API received, in order.
    pub async fn ledger(&self) -> Result<Vec<Value>> {
        let all = self.control("GET", "/ledger", None).await?;
        all.as_array().cloned().with_context(|| format!("no list: {all}"))
    }

    /// Removes all calls from the ledger.
    pub async fn clear_ledger(&self) -> Result<()> {
        self.control("DELETE", "/ledger", None).await.map(drop)
    }

    /// The number of calls in the ledger with this method.
    pub async fn calls(&self, method: &str) -> Result<usize> {
        Ok(self.ledger().await?.iter().filter(|call| call["method"] == method).count())
    }

    /// Lets the sandbox run after this process ends; returns its process id.
    pub fn leave_running(self) -> u32 {
        let id = self.child.id();
        std::mem::forget(self);
        id
    }

    async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self
            .http
            .request(method.parse()?, format!("{}/_sandbox{path}", self.url))
            .header("content-type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {text}");
        }
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
