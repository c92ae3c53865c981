//! Holds the Markdown pages to the product: their links resolve, their blocks run, their outputs and references are real.
//!
//! UPDATE_DOCS=1 writes outputs and generated pages anew.

mod block;
mod cli;
mod fleet_yaml;
mod fleets;
mod generated;
mod links;
mod machine;
mod mask;
mod page;
mod pages;
mod runner;
mod sql;
