//! Starts a sandbox for a test and calls it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// The time after which a test fails: longer than any call here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const KEY: &str = "sk_test";

pub struct Sandbox {
    child: Child,
    pub url: String,
    client: Client,
}

#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A client that follows no redirect, uses no proxy and inflates no body.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(["--listen", "127.0.0.1:0", "--key", KEY]).args(flags);
    command
}

/// Repeats `ask` until it returns `Some`; fails after `PATIENCE`.
pub async fn wait_until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("timeout while waiting for {what}");
}

impl Sandbox {
    pub fn start(flags: &[&str]) -> Self {
        let mut child = command(flags).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.strip_prefix("sandbox listening on ").unwrap_or_else(|| panic!("first line: {line:?}"));
        Self { child, url: url.trim_end().to_owned(), client: client() }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(KEY)
    }

    /// A call that may fail; the test checks the answer or the error.
    pub async fn attempt(&self, method: &str, path: &str) -> reqwest::Result<Reply> {
        read(self.request(method, path)).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.attempt("GET", path).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.attempt("DELETE", path).await.unwrap()
    }

    pub async fn send(&self, method: &str, path: &str, body: impl ToString) -> Reply {
        read(self.request(method, path).body(body.to_string())).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Reply {
        self.send("POST", path, body).await
    }

    /// A control call that must succeed.
    pub async fn control(&self, method: &str, path: &str, body: impl ToString) -> Value {
        let reply = self.send(method, &format!("/_sandbox/{path}"), body).await;
        assert_eq!(reply.code, 200, "{method} {path}: {reply:?}");
        reply.json()
    }

    /// Sends a signal that ends the sandbox cleanly, and waits for the end.
    pub async fn stop(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        wait_until("the sandbox to end", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn read(request: RequestBuilder) -> reqwest::Result<Reply> {
    let answer = request.send().await?;
    let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok(Reply { code, headers, body: answer.bytes().await?.into() })
}
