//! The database: only here is a table, a view or a SQL function named. It decides nothing.

pub mod adopt;
pub mod adoption;
mod bind;
mod connect;
mod drift;
mod error;
pub mod evaluate;
pub mod evaluation;
pub mod examine;
mod find;
pub mod install;
pub mod journal;
mod names;
mod observe;
mod poll;
mod precondition;
mod rows;
mod status;
pub mod store;
