//! Decisions, each a pure function: what to do about drift, what is refused, what of a saved plan still stands.

pub mod adopt;
pub mod checkup;
pub mod database_checkup;
mod guard;
mod pace;
pub mod plan;
mod plan_sha256;
pub mod saved;
pub mod scope;
