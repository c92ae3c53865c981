//! Decisions, each a pure function: what to do about drift, what is refused, what of a saved plan still stands.

pub mod adopt;
pub mod checkup;
pub mod database_checkup;
mod digest;
mod guard;
mod pace;
pub mod plan;
pub mod saved;
pub mod scope;
