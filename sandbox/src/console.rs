//! The only module that prints: the ready line on stdout, complaints and the access log on stderr.
#![allow(clippy::print_stderr)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;

use crate::limits::Class;

/// Says on stdout, at once, where the sandbox can be reached; fails if nobody can read it.
pub fn ready(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "sandbox listening on http://{address}")?;
    out.flush()
}

/// One line of the access log: the code is `-` where nothing was answered.
pub fn request(method: &Method, path: &str, class: Class, code: Option<u16>, took: Duration) {
    let code = code.map_or_else(|| "-".to_owned(), |code| code.to_string());
    eprintln!("{method} {path} {code} {} {:.1} ms", class.name(), took.as_secs_f64() * 1e3);
}

/// One line about something that went wrong.
pub fn complain(message: &str) {
    eprintln!("sandbox: {message}");
}
