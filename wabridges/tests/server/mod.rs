//! A raw TCP server with scripted answers, for the tests of the client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

/// The server's reaction to one request.
pub enum Reply {
    /// Writes this and reads the next request.
    Send(Vec<u8>),
    /// Writes this and closes the connection in an orderly way.
    Close(Vec<u8>),
    /// Resets the connection without an answer.
    Reset,
    /// Writes this, then nothing until the client closes the connection.
    Hang(Vec<u8>),
    /// Writes this, then a byte every 20 ms until the client closes the connection.
    Drip(Vec<u8>),
}

/// A complete answer. `head` is the rest of the status line and further headers.
pub fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The connections and requests that the server has seen.
#[derive(Clone, Default)]
pub struct Seen {
    pub connections: usize,
    /// The number of connections that the client closed.
    pub hung_up: usize,
    /// The head and body of each request.
    pub requests: Vec<String>,
}

/// A running server, which ends with the test's runtime.
pub struct Server {
    pub port: u16,
    seen: watch::Receiver<Seen>,
}

impl Server {
    /// Starts a server that uses one reply of the script per request, on any connection.
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

    /// The connections and requests so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until the condition holds, for at most 10 s.
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
