//! The verbs, one file each: the flags, and the calls to the other modules. No file here holds SQL or HTTP.

pub mod alert;
pub mod apply;
mod approval;
mod codes;
pub mod completion;
pub mod doctor;
pub mod drift;
pub mod export;
pub mod flags;
pub mod init;
pub mod logout;
pub mod man;
mod out_file;
pub mod pair;
mod pair_all;
mod phones;
pub mod plan;
mod plan_file;
pub mod qr;
pub mod removals;
pub mod schema;
pub mod serve;
pub mod show;
pub mod sql;
pub mod status;
mod tenant;
pub mod validate;
