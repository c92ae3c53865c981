//! Tests the built sandbox over HTTP: every endpoint, every control call and every fault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod control;
mod faults;
mod limits;
mod sandbox;
mod state;
mod webhooks;
