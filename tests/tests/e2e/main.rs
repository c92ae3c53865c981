//! The product from outside. Each module is one promise; every test starts its own cluster and sandbox.

mod connections;
mod doctor;
mod documented;
mod exit_codes;
mod golden;
mod hostile_provider;
mod main_job;
mod monitoring;
mod output;
mod plan_apply;
mod polling;
mod properties;
mod recipes;
mod saved_plans;
mod scheduled;
mod sessions;
mod settings;
mod setup;
mod signup;
mod terminal;
mod together;
mod upgrade;
mod verbs;
mod webhooks;
mod world;
