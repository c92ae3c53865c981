//! The product from outside. Each module is one promise; every test starts its own cluster and sandbox.

mod backup;
mod connections;
mod doctor;
mod exit_codes;
mod golden;
mod hostile_provider;
mod main_job;
mod output;
mod picture;
mod plan_apply;
mod polling;
mod properties;
mod recipes;
mod saved_plans;
mod scheduled;
mod settings;
mod setup;
mod standby;
mod terminal;
mod together;
mod verbs;
mod world;
