//! Provides TCP connections that a request can cut on purpose, through its `Wire`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The two ways to cut a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// An orderly TCP FIN.
    Close = 1,
    /// A TCP RST.
    Reset = 2,
}

/// A request's handle to its own connection.
#[derive(Clone, Debug)]
pub struct Wire {
    peer: SocketAddr,
    cut: Arc<AtomicU8>,
}

impl Wire {
    fn new(peer: SocketAddr) -> Self {
        Self { peer, cut: Arc::default() }
    }

    /// The caller's address, for the rate limits.
    pub fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Stops all writes: the next one ends the connection without sending a byte.
    pub fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::Release);
    }

    fn ordered(&self) -> Option<Cut> {
        let ordered = self.cut.load(Ordering::Acquire);
        [Cut::Close, Cut::Reset].into_iter().find(|cut| *cut as u8 == ordered)
    }
}

impl Connected<IncomingStream<'_, WireListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> Self {
        stream.io().wire.clone()
    }
}

/// A TCP listener that gives each connection a [`Wire`].
#[derive(Debug)]
pub struct WireListener(pub TcpListener);

impl Listener for WireListener {
    type Io = WireStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (WireStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // Without TCP_NODELAY a small answer may wait for an acknowledgement; a failure costs only that delay.
        let _ = stream.set_nodelay(true);
        (WireStream { stream, wire: Wire::new(peer) }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP stream that fails every write once it is cut.
#[derive(Debug)]
pub struct WireStream {
    stream: TcpStream,
    wire: Wire,
}

impl WireStream {
    /// Fails if the wire is cut; the server then drops the stream, which sends the FIN or the RST.
    fn intact(&self) -> io::Result<()> {
        match self.wire.ordered() {
            None => Ok(()),
            Some(Cut::Close) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Cut::Reset) => {
                self.stream.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

impl AsyncRead for WireStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.intact()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.intact()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would send a FIN before the RST.
        self.intact()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
