//! Compresses bodies with gzip.

use std::io::{self, Write};

use axum::http::HeaderValue;
use axum::http::header::CONTENT_ENCODING;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::answer::Answer;

/// Compresses a body given in pieces.
pub fn gzip(pieces: impl Iterator<Item = Bytes>, effort: Compression) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), effort);
    for piece in pieces {
        encoder.write_all(&piece)?;
    }
    encoder.finish().map(Bytes::from)
}

/// Adds the header that marks a compressed body.
pub fn gzipped(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}
