//! Starts and stops `wab serve`, and asks it for pages.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::HeaderMap;

use crate::fleet::Fleet;
use crate::process;

/// A running `wab serve`; dropping it kills the process.
pub struct Served {
    child: Child,
    url: String,
    http: reqwest::Client,
    stderr: Option<BufReader<ChildStderr>>,
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Served {
    /// Starts it on a free port of this machine, without a token.
    pub fn open(fleet: &Fleet) -> Result<Self> {
        Self::start(fleet.wab_command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"])?)
    }

    /// Starts this command, and waits until it says where it listens.
    pub fn start(mut command: Command) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let Some(at) = line.find("http://") else {
            let _ = child.kill();
            bail!("the first line of wab serve was {line:?}");
        };
        let url = line[at..].trim().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, url, http, stderr: Some(stderr) })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What sends the requests.
    pub fn client(&self) -> &reqwest::Client {
        &self.http
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: &str, path: &str) -> Result<reqwest::RequestBuilder> {
        Ok(self.http.request(method.parse()?, format!("{}{path}", self.url)))
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.request("GET", path)?).await
    }

    /// Asks for a page, which must be there.
    pub async fn page(&self, path: &str) -> Result<String> {
        let answer = self.get(path).await?;
        ensure!(answer.code == 200, "{path}: {} {}", answer.code, answer.body);
        Ok(answer.body)
    }

    /// Lets it run after this process ends; returns its process id.
    pub fn leave_running(self) -> u32 {
        let id = self.child.id();
        std::mem::forget(self);
        id
    }

    /// Sends SIGTERM and waits for the end; returns the exit code and what it wrote to stderr after its first line.
    pub fn stop(mut self) -> Result<(i32, String)> {
        process::must(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let code = self.child.wait()?.code().unwrap_or(-1);
        let mut rest = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut rest)?;
        }
        Ok((code, rest))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { code, headers, body: response.text().await? })
}
