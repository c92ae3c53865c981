//! Prints the ready line on stdout, and errors and the access log on stderr. No other module prints.
#![allow(clippy::print_stderr)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;

use crate::limits::Class;

/// Prints the address of the sandbox on stdout and flushes it; fails if stdout is closed.
pub fn ready(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "sandbox listening on http://{address}")?;
    out.flush()
}

/// Prints one line of the access log; the code is `-` if the call got no answer.
pub fn request(method: &Method, path: &str, class: Class, code: Option<u16>, took: Duration) {
    let code = code.map_or_else(|| "-".to_owned(), |code| code.to_string());
    eprintln!("{method} {path} {code} {} {:.1} ms", class.name(), took.as_secs_f64() * 1e3);
}

/// Prints one error line.
pub fn complain(message: &str) {
    eprintln!("sandbox: {message}");
}
