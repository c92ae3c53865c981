//! Loads a web server: so many connections, each of which sends its next request once the last one is answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So many connections stay open, as those of a sender that delivers in parallel.
const CONNECTIONS: usize = 64;

/// What a server answered while it was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Answers per second.
    pub per_second: f64,
    /// The time within which 99 of 100 answers came, in seconds.
    pub p99: f64,
}

/// Sends requests to this address for so long. `request` writes the request with this number, counted from `next` on; each
/// answer must have the status 200. One thread does it, so that it takes little from the two cores of the contestants.
pub fn load(
    address: &str,
    time: Duration,
    next: &AtomicUsize,
    request: impl Fn(usize) -> String,
) -> Result<Loaded> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let start = Instant::now();
    let one = async || -> Result<Vec<Duration>> {
        let mut connection = Connection::open(address).await?;
        let mut taken = Vec::new();
        while start.elapsed() < time {
            let text = request(next.fetch_add(1, Ordering::Relaxed));
            let sent = Instant::now();
            connection.exchange(&text).await?;
            taken.push(sent.elapsed());
        }
        Ok(taken)
    };
    let all = runtime.block_on(futures::future::try_join_all((0..CONNECTIONS).map(|_| one())))?;
    let seconds = start.elapsed().as_secs_f64();
    let mut taken: Vec<Duration> = all.into_iter().flatten().collect();
    taken.sort();
    let p99 = taken.get(taken.len() * 99 / 100).context("no answer")?.as_secs_f64();
    Ok(Loaded { per_second: taken.len() as f64 / seconds, p99 })
}

/// A connection that stays open. It understands the answers of the contestants: a status, headers with Content-Length, a body.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    async fn exchange(&mut self, request: &str) -> Result<()> {
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.buffer[..end])?;
            ensure!(head.starts_with("HTTP/1.1 200"), "the server answered {head}");
            if self.buffer.len() >= end + 4 + length(head)? {
                return Ok(());
            }
        }
    }
}

fn length(head: &str) -> Result<usize> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.context("an answer without Content-Length")?.1.parse().context("no length")
}
