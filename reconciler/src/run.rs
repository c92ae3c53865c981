//! What the verbs have in common: the fleet is looked at and evaluated, a plan is executed. What happens meanwhile is
//! told through `events`.

mod bridges;
pub mod evaluate;
pub mod events;
pub mod execute;
pub mod executor;
pub mod lock;
pub mod observe;
mod rows;
mod step_outcome;
pub mod stop;
