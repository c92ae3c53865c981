//! The state of the database as `wab doctor` reads it.

/// How the objects were installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// By `CREATE EXTENSION`.
    Extension {
        /// The version of the extension's SQL.
        version: String,
    },
    /// By `wab init --sql-only`, or by hand.
    SqlOnly,
}

/// The installed `wab_` objects.
#[derive(Clone, Debug)]
pub struct Objects {
    /// Their schema.
    pub schema: String,
    /// How they were installed.
    pub source: Source,
    /// The result of `wab_version()`; with the extension, the version of its library. `None` if the function
    /// does not exist.
    pub version: Option<String>,
}

/// How a tenant row is found by its id.
#[derive(Clone, Debug)]
pub struct Index {
    /// The table.
    pub table: String,
    /// The column, as a quoted identifier.
    pub column: String,
    /// The expression of the id as text, which the bridge carries as its customer_ref.
    pub as_text: String,
    /// Whether the index on the column is unique; `None` if there is no index.
    pub unique: Option<bool>,
    /// Whether a look-up by the id as text reads the whole table, and the table is large.
    pub is_slow: bool,
    /// Whether the tenants table is a view, which has no index of its own.
    pub is_view: bool,
    /// Up to three ids that more than one row has.
    pub repeated: Vec<String>,
}

/// Row-level security on the tenants table.
#[derive(Clone, Debug)]
pub struct RowSecurity {
    /// The table.
    pub table: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Roles of enabled pg_cron jobs from which it hides rows.
    pub filtered: Vec<String>,
}

/// A status word of the provider that is not mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmappedWord {
    /// The word as the provider writes it.
    pub raw_status: String,
    /// The live bridges that carry it.
    pub bridges: i64,
}

/// Runs without a recorded end.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// Their number.
    pub runs: i64,
    /// The session that holds the lock of `wab apply` now.
    pub holder: Option<String>,
    /// How the last run ended, or that it was interrupted.
    pub last: Option<String>,
}

/// A pg_cron job that calls a `wab_` function.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Whether pg_cron runs it.
    pub active: bool,
    /// Whether it ran yet.
    pub ran: bool,
    /// The message of its last run, if that run failed.
    pub failure: Option<String>,
}
