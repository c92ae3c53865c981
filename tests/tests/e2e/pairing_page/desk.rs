//! Starts `wab serve` with its pairing page over a small fleet, and asks it as a browser does.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::fleet::{DATABASE, Fleet};
use rqrr::PreparedImage;
use serde_json::{Value, json};

use crate::world;

/// The address of the page in wab_policy, which a proxy would serve.
pub const PAIRING_URL: &str = "https://pair.example.com/p";

/// A running `wab serve`; dropping it kills the process.
pub struct Desk {
    child: Child,
    /// `http://127.0.0.1:PORT` of the board and of the page.
    pub board: String,
    pub page: String,
    said: Arc<Mutex<String>>,
    http: reqwest::Client,
}

/// An answer of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Said {
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }

    /// The word of the state.
    pub fn state(&self) -> Result<String> {
        Ok(self.json()?["state"].as_str().with_context(|| format!("no state: {self:?}"))?.to_owned())
    }

    pub fn wait(&self) -> Result<u64> {
        self.json()?["wait_seconds"].as_u64().with_context(|| format!("no wait: {self:?}"))
    }
}

/// A healthy fleet with an address of the page, in which the first `lost` tenants have lost their phones.
pub async fn fleet(lost: i64) -> Result<Fleet> {
    let fleet = Fleet::start(&["--list-status"])?;
    world::fill(&fleet).await?;
    for id in 1..=lost {
        fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    }
    fleet.observe().await?;
    fleet.sql(&format!("UPDATE wab_policy SET pairing_url = '{PAIRING_URL}', disconnected_after = '0'"))?;
    fleet.fleet_yaml("")?;
    fleet.sandbox.clear_ledger().await?;
    Ok(fleet)
}

/// Makes a link for this tenant; returns its token.
pub fn token(fleet: &Fleet, tenant: &str) -> Result<String> {
    let link = fleet.sql(&format!("SELECT link FROM wab_pairing_link('{tenant}')"))?;
    let token =
        link.strip_prefix(&format!("{PAIRING_URL}#")).with_context(|| format!("another link: {link}"))?;
    Ok(token.to_owned())
}

impl Desk {
    pub fn start(fleet: &Fleet, args: &[&str]) -> Result<Self> {
        Self::start_on(fleet, &fleet.cluster.url(DATABASE), args)
    }

    /// With this connection string.
    pub fn start_on(fleet: &Fleet, url: &str, args: &[&str]) -> Result<Self> {
        let mut command = fleet.wab_command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"])?;
        command.args(["--pairing-listen", "127.0.0.1:0", "--product", "Acme <b>"]).args(args);
        command.env("DATABASE_URL", url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut lines = String::new();
        for _ in 0..2 {
            stderr.read_line(&mut lines)?;
        }
        let addresses: Vec<String> = lines
            .split_whitespace()
            .filter(|word| word.starts_with("http://"))
            .map(|word| word.trim_end_matches("/p").trim_end_matches('/').to_owned())
            .collect();
        let [board, page] = addresses.as_slice() else { bail!("wab serve said {lines:?}") };
        let (board, page) = (board.clone(), page.clone());
        let said = Arc::new(Mutex::new(lines));
        let kept = said.clone();
        // The pipe must not fill up.
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                if let Ok(mut said) = kept.lock() {
                    said.push_str(&line);
                }
                line.clear();
            }
            let _ = stderr.read_to_string(&mut line);
        });
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, board, page, said, http })
    }

    /// Everything that the process wrote.
    pub fn stderr(&self) -> String {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the process, and returns its exit code.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        Ok(self.child.wait()?.code())
    }

    /// Asks for a path of the page.
    pub async fn get(&self, path: &str) -> Result<Said> {
        said(self.http.get(format!("{}{path}", self.page))).await
    }

    /// Asks for a path of the board.
    pub async fn get_board(&self, path: &str) -> Result<Said> {
        said(self.http.get(format!("{}{path}", self.board))).await
    }

    /// Posts JSON as the page does, with more headers.
    pub async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<Said> {
        let mut request = self.http.post(format!("{}{path}", self.page)).body(body.to_string());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        said(request).await
    }

    /// What a page that opens this link is told.
    pub async fn open(&self, token: &str) -> Result<Said> {
        self.post("/p/state", &json!({ "token": token }), &[]).await
    }

    /// The same from another address.
    pub async fn open_from(&self, token: &str, client: &str) -> Result<Said> {
        self.post("/p/state", &json!({ "token": token }), &[("x-forwarded-for", client)]).await
    }

    /// Asks again as the page does, when it was told to, until it is told this state. `first` was the answer before.
    pub async fn follow(&self, body: &Value, first: &Said, state: &str) -> Result<Said> {
        let mut answer = first.clone();
        let mut body = body.clone();
        for _ in 0..20 {
            if answer.state()? == state {
                return Ok(answer);
            }
            if let Some(visit) = answer.json()?.get("visit") {
                body["visit"] = visit.clone();
            }
            tokio::time::sleep(Duration::from_secs(answer.wait()?)).await;
            answer = self.post("/p/state", &body, &[]).await?;
        }
        bail!("the page was never told {state}, but {answer:?}; {}", self.stderr())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn said(request: reqwest::RequestBuilder) -> Result<Said> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    Ok(Said { status, headers: headers.join("\n"), body: answer.text().await? })
}

/// The paths that the provider was asked for, such as `qr`, of this tenant.
pub async fn asked(fleet: &Fleet, tenant: &str, what: &str) -> Result<usize> {
    let path = format!("/api/instances/{tenant}/proxy/{what}");
    Ok(fleet.sandbox.ledger().await?.iter().filter(|call| call["path"] == path).count())
}

/// The content of the code that the page draws.
pub fn scanned(answer: &Said) -> Result<String> {
    let qr = &answer.json()?["qr"];
    let side = usize::try_from(qr["side"].as_u64().context("no side")?)?;
    let mut dark = vec![false; side * side];
    for run in qr["path"].as_str().context("no path")?.split('M').skip(1) {
        let numbers: Vec<usize> = run
            .split(|c: char| !c.is_ascii_digit())
            .filter(|text| !text.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [x, y, width, 1, back] = numbers[..] else { bail!("another path: {run}") };
        ensure!(width == back, "a module is a square: {run}");
        dark[y * side + x..y * side + x + width].fill(true);
    }
    content(side * 4, |x, y| if dark[y / 4 * side + x / 4] { 0 } else { 255 })
}

/// The content of the code that the sandbox shows for this tenant.
pub async fn shown_by_sandbox(fleet: &Fleet, tenant: &str) -> Result<String> {
    let url = format!("{}/api/instances/{tenant}/proxy/qr", fleet.sandbox.url());
    let image = reqwest::Client::builder().no_proxy().build()?.get(url).bearer_auth(e2e::sandbox::KEY);
    let image = image.send().await?.error_for_status()?.bytes().await?;
    let mut reader = png::Decoder::new(std::io::Cursor::new(image)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
    let side = usize::try_from(reader.next_frame(&mut pixels)?.width)?;
    content(side, |x, y| pixels[y * side + x])
}

fn content(side: usize, grey: impl FnMut(usize, usize) -> u8) -> Result<String> {
    let mut image = PreparedImage::prepare_from_greyscale(side, side, grey);
    let grids = image.detect_grids();
    Ok(grids.first().context("no QR code was found")?.decode()?.1)
}
