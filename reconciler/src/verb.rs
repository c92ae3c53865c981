//! The verbs, one file each: its flags, and what it does with what the floors below offer. No SQL and no HTTP here.

pub mod apply;
mod approval;
pub mod completion;
pub mod doctor;
pub mod drift;
pub mod export;
pub mod flags;
pub mod init;
pub mod logout;
pub mod man;
pub mod pair;
pub mod plan;
mod plan_file;
pub mod qr;
pub mod schema;
pub mod show;
pub mod status;
mod tenant;
pub mod validate;
