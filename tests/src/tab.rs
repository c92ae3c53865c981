//! One tab: opens addresses, presses keys, evaluates scripts, takes pictures, and collects what the page complains about.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pipe::Pipe;

/// For so long a test waits until a page shows something: the server looks every two seconds, and after a failure every four.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the system of the reader prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark text on a light ground.
    Light,
    /// Light text on a dark ground.
    Dark,
}

/// A tab with its own history.
pub struct Tab {
    pipe: Arc<Pipe>,
    session: String,
    /// The browser context, for another tab in the same window.
    pub context: Value,
}

impl Tab {
    /// A tab that reports what happens in it.
    pub fn new(pipe: Arc<Pipe>, session: String, context: Value) -> Result<Self> {
        let tab = Self { pipe, session, context };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({}))?;
        }
        tab.view(1280, Scheme::Light)?;
        Ok(tab)
    }

    /// Sends a command of the DevTools protocol.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.pipe.call(&self.session, method, params)
    }

    /// The width of the window, and what the reader's system prefers.
    pub fn view(&self, width: u32, scheme: Scheme) -> Result<()> {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", media).map(drop)
    }

    /// Lets the pages that are opened from now on run no script.
    pub fn without_scripts(&self) -> Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).map(drop)
    }

    /// Opens an address, and waits until it is loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        self.loading(|| {
            let answer = self.call("Page.navigate", json!({ "url": url }))?;
            match answer["errorText"].as_str() {
                Some(error) => bail!("{url}: {error}"),
                None => Ok(()),
            }
        })
    }

    /// Does something that opens a page, and waits until it is loaded.
    pub fn loading(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        self.pipe.forget(&self.session);
        act()?;
        self.pipe.event(&self.session, "Page.loadEventFired")
    }

    /// The value of an expression, or of the promise that it returns.
    pub fn evaluate(&self, script: &str) -> Result<Value> {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("{script}: {exception}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// The value of an expression that is a text.
    pub fn text(&self, script: &str) -> Result<String> {
        let value = self.evaluate(script)?;
        Ok(value.as_str().with_context(|| format!("{script} is {value}"))?.to_owned())
    }

    /// Waits until an expression is true.
    pub fn until(&self, script: &str) -> Result<()> {
        let start = Instant::now();
        while self.evaluate(script)? != json!(true) {
            if start.elapsed() > PATIENCE {
                let page = self.text("document.body.innerText")?;
                bail!("this was not true within {PATIENCE:?}: {script}\n{page}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Presses a key: `Tab`, `Enter`, or a character.
    pub fn press(&self, key: &str) -> Result<()> {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "ArrowRight" => (39, ""),
            _ => (0, key),
        };
        let down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", down)?;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up).map(drop)
    }

    /// Shows this tab in its window.
    pub fn show(&self) -> Result<()> {
        self.call("Page.bringToFront", json!({})).map(drop)
    }

    /// Writes a picture of the page, from its top, as a PNG.
    pub fn picture(&self, file: &Path, height: u64) -> Result<()> {
        let page = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")?;
        let height = page[1].as_u64().unwrap_or_default().min(height);
        let clip = json!({ "x": 0, "y": 0, "width": page[0], "height": height, "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.call("Page.captureScreenshot", params)?;
        std::fs::write(file, STANDARD.decode(picture["data"].as_str().context("no picture")?)?)?;
        Ok(())
    }

    /// Events since the page was opened.
    pub fn events(&self) -> Vec<Value> {
        self.pipe.events(&self.session)
    }

    /// Errors on the console, refusals of the Content-Security-Policy, exceptions and dialogs since the page was opened.
    pub fn complaints(&self) -> Vec<String> {
        let is_complaint = |event: &Value| match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
            _ => false,
        };
        self.events().iter().filter(|event| is_complaint(event)).map(ToString::to_string).collect()
    }
}
