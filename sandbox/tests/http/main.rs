//! The built binary driven over real HTTP: every endpoint, control call and fault. Pure rules are tested beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod control;
mod faults;
mod limits;
mod sandbox;
mod state;
mod webhooks;
