//! Sends an answer plainly, or as a fault orders: late, in small chunks, cut off or not at all.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use futures::{StreamExt, stream};
use tokio::time::sleep;

use crate::answer::{self, Answer};
use crate::faults::Kind;
use crate::gzip::{gzip, gzipped};
use crate::wire::{Cut, Wire};

/// The start of a huge body: a list with one row.
const HUGE_START: &[u8] = b"[{\"id\":1,\"customer_ref\":\"cust_0001\",\"state\":\"running\"}";
/// The padding of huge bodies: JSON whitespace, 64 KiB at a time.
static PADDING: [u8; 64 << 10] = [b' '; 64 << 10];
/// The announced length of an answer that is too short to be cut.
const INVENTED_LENGTH: usize = 64;

/// The result of delivering an answer.
pub enum Delivered {
    /// The client gets an answer, or at least its headers.
    Response(Response<Body>),
    /// The connection closes before the first byte.
    Nothing,
}

/// Delivers an answer, changed by the fault if there is one. Under `hang` this future never ends.
pub async fn deliver(answer: Answer, fault: Option<&Kind>, wire: &Wire) -> Delivered {
    let response = match fault {
        Some(Kind::Delay { ms }) => {
            sleep(Duration::from_millis(*ms)).await;
            answer.map(Body::from)
        }
        Some(Kind::Drip { ms_per_chunk, chunk }) => {
            drip(answer, Duration::from_millis(*ms_per_chunk), *chunk)
        }
        Some(Kind::Hang {}) => std::future::pending().await,
        Some(Kind::HangAfterHeaders {}) => {
            let length = announced(&answer);
            with_length(answer, length, Body::from_stream(stream::pending::<io::Result<Bytes>>()))
        }
        Some(Kind::Reset {}) => {
            wire.cut(Cut::Reset);
            return Delivered::Nothing;
        }
        Some(Kind::LostReply {}) => {
            wire.cut(Cut::Close);
            return Delivered::Nothing;
        }
        Some(Kind::Truncated {}) => truncated(answer),
        Some(Kind::Huge { bytes }) => huge(*bytes),
        Some(Kind::GzipBomb { bytes }) => bomb(*bytes).await,
        _ => answer.map(Body::from),
    };
    Delivered::Response(response)
}

/// The Content-Length of an answer that will be cut short; above 0, so that bytes are missing.
fn announced(answer: &Answer) -> usize {
    match answer.body().len() {
        0 | 1 => INVENTED_LENGTH,
        length => length,
    }
}

/// The answer's headers with this length and this body; HTTP forbids a body with 204, so 204 becomes 200.
fn with_length(answer: Answer, length: usize, body: Body) -> Response<Body> {
    let mut response = answer.map(|_| body);
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::OK;
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn drip(answer: Answer, pause: Duration, chunk: usize) -> Response<Body> {
    let body = answer.body().clone();
    let chunks = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(pause).await;
        let next = rest.split_to(chunk.min(rest.len()));
        Some((io::Result::Ok(next), rest))
    });
    // An answer without a body (204) is sent plainly.
    match answer.body().len() {
        0 => answer.map(Body::from),
        length => with_length(answer, length, Body::from_stream(chunks)),
    }
}

fn truncated(answer: Answer) -> Response<Body> {
    let length = announced(&answer);
    let half = answer.body().slice(..answer.body().len() / 2);
    let broken = async {
        // This pause lets the first half reach the socket before the connection closes.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    let chunks = stream::iter([io::Result::Ok(half)]).chain(stream::once(broken));
    with_length(answer, length, Body::from_stream(chunks))
}

fn huge(bytes: u64) -> Response<Body> {
    let start = stream::iter([io::Result::Ok(Bytes::from_static(HUGE_START))]);
    let padding = stream::iter(padding(bytes).map(io::Result::Ok));
    let mut response = Response::new(Body::from_stream(start.chain(padding)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whitespace that brings a huge body from its start to `bytes` bytes.
fn padding(bytes: u64) -> impl Iterator<Item = Bytes> + Send {
    let mut left = bytes.saturating_sub(HUGE_START.len() as u64);
    std::iter::from_fn(move || {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PADDING.len());
        left -= length as u64;
        (length > 0).then(|| Bytes::from_static(&PADDING[..length]))
    })
}

async fn bomb(bytes: u64) -> Response<Body> {
    // Compressing takes seconds and would block other connections on this thread.
    let packed = tokio::task::spawn_blocking(move || {
        gzip(std::iter::once(Bytes::from_static(HUGE_START)).chain(padding(bytes)), Compression::best())
    });
    match packed.await {
        Ok(Ok(packed)) => gzipped(answer::typed(StatusCode::OK, "application/json", packed)).map(Body::from),
        _ => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the bomb could not be built").map(Body::from),
    }
}
