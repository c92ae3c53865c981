//! All output: results on stdout, progress and messages on stderr. No other module prints.

mod charset;
pub mod ci;
mod command;
pub mod console;
mod doctor;
mod failure;
mod findings;
mod github;
pub mod json;
mod lists;
mod markdown;
mod outcome;
pub mod problems;
mod progress;
pub mod qr;
mod rate;
mod rows;
pub mod schema;
pub mod screen;
pub mod setup;
pub mod stderr;
#[cfg(test)]
mod tests;
mod text;
mod words;
pub mod yaml;
