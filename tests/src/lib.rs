//! Starts and stops the real programs that the end-to-end tests and the demo use. It contains no test.

pub mod balancer;
pub mod chromium;
pub mod cluster;
pub mod demo_fleet;
pub mod fleet;
pub mod log;
mod pipe;
pub mod pooler;
pub mod process;
pub mod sandbox;
pub mod served;
pub mod simulation;
pub mod tab;
pub mod wait;
