//! Decisions as pure functions: the plan, the guards, adoption, saved plans, and the judgements of `wab
//! doctor`.

pub mod adopt;
pub mod checkup;
pub mod database_checkup;
pub mod engine;
mod guard;
pub mod operation_checkup;
mod pace;
pub mod plan;
mod plan_sha256;
pub mod removals;
pub mod saved;
pub mod scope;
