//! The product from outside. Each module is one promise; every test starts its own cluster and sandbox.

mod connections;
mod doctor;
mod exit_codes;
mod golden;
mod hostile_names;
mod hostile_provider;
mod main_job;
mod output;
mod plan_apply;
mod polling;
mod privileges;
mod properties;
mod recipes;
mod saved_plans;
mod scheduled;
mod settings;
mod setup;
mod terminal;
mod together;
mod verbs;
mod world;
