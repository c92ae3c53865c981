//! fleet.yaml as checked, typed values, and the user who runs `wab`.

mod check;
mod connection;
mod document;
mod error;
mod file;
mod file_policy;
mod fleet;
pub mod inspect;
pub mod load;
mod policy;
mod problem;
mod problems;
mod prune;
mod reader;
mod scalar;
pub mod shape;
mod source;
#[cfg(test)]
mod tests;
mod variable;
mod who;

pub use connection::{Address, Attempt, Connection, Host, Keepalive, ServerKind};
pub use error::ConfigError;
pub use fleet::{
    Account, Clearable, Database, Extra, Fleet, Keep, KeySource, StatusWord, Tenants, Tombstone, Webhook,
    WebhookTemplate,
};
pub use policy::{Bound, IncidentRule, Policy, Setting, Settings};
pub use problem::Problem;
pub use prune::{Pruned, prune};
pub use variable::ignored_proxy;
pub use who::Who;
