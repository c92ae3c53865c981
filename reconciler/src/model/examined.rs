//! What `wab doctor` reads of the database.

/// How the objects came into the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `CREATE EXTENSION`.
    Extension {
        /// The version of its SQL.
        version: String,
    },
    /// `wab init --sql-only`, or by hand.
    SqlOnly,
}

/// The wab_ objects.
#[derive(Clone, Debug)]
pub struct Objects {
    /// Where they are.
    pub schema: String,
    /// How they came there.
    pub source: Source,
    /// What wab_version() says; with the extension, the library's. `None`: there is no such function.
    pub version: Option<String>,
}

/// The index on the tenants table's id.
#[derive(Clone, Debug)]
pub struct Index {
    /// The table.
    pub table: String,
    /// The column, quoted.
    pub column: String,
    /// Whether it is unique; `None`: there is no index.
    pub unique: Option<bool>,
}

/// Runs that did not end by their own account.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// How many.
    pub runs: i64,
    /// Who applies right now.
    pub holder: Option<String>,
    /// How the last run ended, or that it did not.
    pub last: Option<String>,
}

/// A job of pg_cron that calls one of our functions.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Whether it is run.
    pub active: bool,
    /// Why its last run failed, if it did.
    pub failure: Option<String>,
}
