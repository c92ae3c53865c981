//! The compiled part of the extension: SQL functions that call the provider. The other SQL objects are in `sql/`, the client
//! of the provider's API in `wabridges`.

use pgrx::prelude::*;

mod alerts;
mod answers;
mod arguments;
mod database;
mod error;
mod functions;
mod glimpse;
mod http;
mod json;
mod list;
mod poll;
mod provider;
mod refresh;
mod scan;
mod server;
mod server_log;
mod sessions;
mod settings;
mod webhooks;

::pgrx::pg_module_magic!(name, version);

/// Defines the settings. It may run in the postmaster (shared_preload_libraries), so it starts no thread.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // Otherwise RUST_BACKTRACE in the server's environment would add a backtrace to the DETAIL of every error.
    // SAFETY: PostgreSQL loads the library while this process has one thread.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    settings::define_if_possible();
}
