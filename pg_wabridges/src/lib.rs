//! The extension: only what must be compiled. Everything relational is in `sql/`, the provider's API in `wabridges`.

use pgrx::prelude::*;

mod database;
mod error;
mod functions;
mod glimpse;
mod http;
mod json;
mod provider;
mod refresh;
mod rows;
mod scan;
mod sessions;
mod settings;
#[cfg(any(test, feature = "pg_test"))]
mod shapes;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../../sql/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../../sql/functions.sql", name = "functions", requires = ["schema"]);
extension_sql_file!("../../sql/observe.sql", name = "observe", requires = ["functions"]);
extension_sql_file!("../../sql/views.sql", name = "views", requires = ["observe"]);
extension_sql_file!("../../sql/binding.sql", name = "binding", requires = ["views"]);
extension_sql_file!("../../sql/events.sql", name = "events", requires = ["binding"]);
extension_sql_file!("../../sql/history.sql", name = "history", requires = ["events"]);
extension_sql_file!("../../sql/queue.sql", name = "queue", requires = ["history"]);
// The scripts above run where nobody's operators are found but PostgreSQL's; the functions below are created in our schema.
extension_sql!("SET LOCAL search_path = @extschema@, pg_temp;", name = "our_schema", requires = ["queue"]);
extension_sql_file!("../../sql/jobs.sql", name = "jobs", requires = ["our_schema", functions::wab_version]);
extension_sql_file!("../../sql/extension.sql", name = "extension", finalize);

/// May run in the postmaster (shared_preload_libraries), so it defines the settings and starts nothing.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // With RUST_BACKTRACE in the server's environment, backtraces would be part of every error's DETAIL.
    // SAFETY: the library is loaded while this process has one thread.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    settings::define();
}

/// `cargo pgrx test` looks for this module at the crate's root.
#[cfg(test)]
pub mod pg_test {
    /// Nothing to prepare.
    pub fn setup(_options: Vec<&str>) {}

    /// Nothing to set: the tests that call the provider are end to end, in `tests/`.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
