//! A raw TCP server that answers as scripted, for the tests of the client; it knows nothing of the provider's API.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

/// What the server does with one request.
pub enum Reply {
    /// Writes this and reads the next request.
    Send(Vec<u8>),
    /// Writes this and closes the connection in an orderly way.
    Close(Vec<u8>),
    /// Breaks the connection off without a word.
    Reset,
    /// Writes this and says nothing more until the client hangs up.
    Hang(Vec<u8>),
    /// Writes this, then a byte now and then until the client hangs up.
    Drip(Vec<u8>),
}

/// A complete answer; `head` is the status line's end and further headers.
pub fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What the server has seen so far.
#[derive(Clone, Default)]
pub struct Seen {
    pub connections: usize,
    /// How many connections the client closed.
    pub hung_up: usize,
    /// Head and body of each request.
    pub requests: Vec<String>,
}

/// A running server; it ends with the test's runtime.
pub struct Server {
    pub port: u16,
    seen: watch::Receiver<Seen>,
}

impl Server {
    /// Starts a server that takes one reply of the script per request, on whatever connection it comes.
    pub async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let (sender, seen) = watch::channel(Seen::default());
        let sender = Arc::new(sender);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                sender.send_modify(|seen| seen.connections += 1);
                tokio::spawn(serve(stream, script.clone(), sender.clone()));
            }
        });
        Self { port, seen }
    }

    /// What was seen until now.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until the server has seen it.
    pub async fn wait_until(&self, description: &str, condition: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        let reached = timeout(Duration::from_secs(10), seen.wait_for(condition)).await;
        assert!(reached.is_ok(), "the server never saw: {description}");
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<VecDeque<Reply>>>, seen: Arc<watch::Sender<Seen>>) {
    while let Some(request) = read_request(&mut stream).await {
        seen.send_modify(|seen| seen.requests.push(request));
        let Some(reply) = script.lock().unwrap().pop_front() else { return };
        match reply {
            Reply::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read(&mut [0; 64]).await;
                break;
            }
            Reply::Drip(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let mut drops = interval(Duration::from_millis(20));
                while stream.write_all(b" ").await.is_ok() {
                    drops.tick().await;
                }
                break;
            }
        }
    }
    seen.send_modify(|seen| seen.hung_up += 1);
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
