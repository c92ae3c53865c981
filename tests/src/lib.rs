//! What the end-to-end tests and the demo stand on: real parts, started and stopped. No test and no decision is here.

pub mod cluster;
pub mod fleet;
pub mod process;
pub mod sandbox;
pub mod wait;
