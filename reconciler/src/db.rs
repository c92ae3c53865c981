//! The database. Only this module names tables, views and SQL functions.

pub mod adopt;
pub mod adoption;
pub mod apply_lock;
mod bind;
mod binding_path;
mod connect;
mod copy;
mod drift;
mod error;
pub mod evaluate;
pub mod evaluation;
pub mod examine;
mod find;
pub mod install;
pub mod journal;
mod keepalive;
mod lock_holder;
mod names;
mod observe;
mod poll;
mod precondition;
mod rows;
mod session;
mod set;
mod statement;
mod status;
pub mod store;
