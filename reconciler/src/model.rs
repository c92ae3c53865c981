//! Plain data that the floors above hand to each other. Nothing is decided, called or shown here.

pub mod adoption;
pub mod check;
pub mod drift;
pub mod error;
pub mod examined;
pub mod facts;
pub mod force;
pub mod output;
pub mod plan;
pub mod polled;
pub mod reading;
pub mod report;
pub mod saved;
pub mod status;
pub mod step;
