//! Starts Debian's Chromium without a window, and ends it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pipe::Pipe;
use crate::tab::Tab;

/// Chromium reads commands from file 3 and answers on file 4.
const START: &str = "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

const FLAGS: [&str; 12] = [
    "--headless=new",
    "--remote-debugging-pipe",
    // The tests run as root, and in containers.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
];

/// A running browser with an empty profile. Dropping it ends it.
pub struct Chromium {
    child: Child,
    pipe: Arc<Pipe>,
    // Removed after the browser has ended.
    _profile: TempDir,
}

impl Chromium {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut child = Command::new("sh")
            .args(["-c", START, "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (commands, answers) = (child.stdin.take().context("no stdin")?, child.stdout.take());
        let pipe = Pipe::new(commands, answers.context("no stdout")?);
        let browser = Self { child, pipe, _profile: profile };
        browser.call("Browser.getVersion", json!({})).context("chromium does not start: make test-tools")?;
        Ok(browser)
    }

    /// A tab in a window of its own.
    pub fn tab(&self) -> Result<Tab> {
        let context = self.call("Target.createBrowserContext", json!({}))?;
        self.tab_in(&context["browserContextId"])
    }

    /// A tab in the window of this browser context; it hides the others.
    pub fn tab_in(&self, context: &Value) -> Result<Tab> {
        let target =
            self.call("Target.createTarget", json!({ "url": "about:blank", "browserContextId": context }))?;
        let target = target["targetId"].clone();
        let session = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))?;
        let session = session["sessionId"].as_str().context("no session")?.to_owned();
        Tab::new(self.pipe.clone(), session, context.clone())
    }

    fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.pipe.call("", method, params)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends its other processes with itself. A browser that does not answer is killed.
        if self.call("Browser.close", json!({})).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
