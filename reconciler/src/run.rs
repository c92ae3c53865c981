//! What the verbs have in common: the fleet is looked at and evaluated, a plan is executed. What happens meanwhile is
//! told through `events`.

mod bridges;
pub mod events;
pub mod execute;
pub mod executor;
pub mod lock;
pub mod observe;
pub mod outlook;
mod rows;
mod step_outcome;
pub mod stop;
