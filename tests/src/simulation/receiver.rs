//! Receives the alerts over HTTP and keeps them.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A receiver that answers 200.
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Listens on a free port of this machine.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/alerts", listener.local_addr()?);
        let got: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let _ = receive(client, &kept).await;
            }
        });
        Ok(Self { url, got })
    }

    /// The documents since the last call.
    pub fn documents(&self) -> Vec<Value> {
        std::mem::take(&mut *self.got.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads one request and answers it.
async fn receive(mut client: TcpStream, got: &Mutex<Vec<Value>>) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse()?];
    client.read_exact(&mut body).await?;
    // The document is kept before the sender has its answer, and so before the sender ends.
    let document = serde_json::from_slice(&body)?;
    got.lock().unwrap_or_else(PoisonError::into_inner).push(document);
    client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await?;
    Ok(())
}
