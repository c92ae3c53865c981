//! The work that the verbs share: list the fleet, evaluate it, execute a plan. Progress is reported through
//! `events`.

pub mod alert;
mod bridges;
mod deed;
pub mod evaluate;
pub mod events;
pub mod execute;
pub mod executor;
mod failover;
pub mod finalize;
pub mod lock;
pub mod observe;
pub mod pair;
pub mod receive;
pub mod recorder;
mod rows;
pub mod signals;
mod step_outcome;
pub mod stop;
pub mod trail;
mod wants_messages;
