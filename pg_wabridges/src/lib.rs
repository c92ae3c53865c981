//! The extension: only what must be compiled. Everything relational is in `sql/`, the provider's API in `wabridges`.

use pgrx::prelude::*;

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
mod rows;
mod scan;
mod server;
mod sessions;
mod settings;

::pgrx::pg_module_magic!(name, version);

/// May run in the postmaster (shared_preload_libraries), so it defines the settings and starts nothing.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // With RUST_BACKTRACE in the server's environment, backtraces would be part of every error's DETAIL.
    // SAFETY: the library is loaded while this process has one thread.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    settings::define();
}
