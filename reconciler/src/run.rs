//! The work that the verbs share: list the fleet, evaluate it, execute a plan. Progress is reported through
//! `events`.

pub mod alert;
mod bridges;
pub mod evaluate;
pub mod events;
pub mod execute;
pub mod executor;
pub mod lock;
pub mod observe;
pub mod pair;
pub mod receive;
mod rows;
pub mod signals;
mod step_outcome;
pub mod stop;
