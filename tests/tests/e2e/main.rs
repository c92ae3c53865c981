//! The product from outside. Each module is one promise; every test starts its own cluster and sandbox.

mod connections;
mod exit_codes;
mod golden;
mod hostile_provider;
mod main_job;
mod plan_apply;
mod scheduled;
mod settings;
mod terminal;
mod together;
mod world;
