//! The queries of the board, as values: what a page shows is a view or a table in SQL.

/// A query and its arguments, which are texts: the query casts them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The statement, in which `@extschema@` stands for the schema of the `wab_` objects.
    pub(super) sql: String,
    pub(super) arguments: Vec<Option<String>>,
    pub(super) path: SearchPath,
}

/// Where the names in functions that the query calls are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SearchPath {
    /// In the schemas of the binding, as its expressions expect. Names and operators in the query must be qualified.
    Binding,
    /// In pg_catalog.
    Catalog,
}

/// Which rows of the fleet a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetFilter {
    /// Bridges with this status only.
    pub status: Option<String>,
    /// Rows with this kind of drift only.
    pub kind: Option<String>,
    /// Only rows with this text in the customer_ref, or with this bridge_id.
    pub q: Option<String>,
    /// Rows that follow this customer_ref.
    pub after: Option<String>,
    /// With the same customer_ref, rows that follow this bridge.
    pub after_bridge: Option<String>,
}

impl Query {
    fn new(sql: &str, arguments: impl Into<Vec<Option<String>>>) -> Self {
        Self { sql: sql.to_owned(), arguments: arguments.into(), path: SearchPath::Binding }
    }

    /// One row: bridges by status, and what waits.
    pub fn summary() -> Self {
        Self::new(include_str!("board/summary.sql"), [])
    }

    /// One row: what the bridges cost. Not every role may see it.
    pub fn money() -> Self {
        Self::new(include_str!("board/money.sql"), [])
    }

    /// One row: the age of the observation, for the top of each page.
    pub fn status() -> Self {
        Self::new(include_str!("board/status.sql"), [])
    }

    /// The kinds of drift that there are, with their counts.
    pub fn drift_counts() -> Self {
        Self::new(include_str!("board/drift_counts.sql"), [])
    }

    /// One row: for how much of the time the fleet was paired. Slow.
    pub fn health() -> Self {
        Self::new(include_str!("board/health.sql"), [])
    }

    /// The drift, of one kind or of all.
    pub fn drift(kind: Option<String>, limit: Option<usize>) -> Self {
        Self::new(include_str!("board/drift.sql"), [kind, text(limit)])
    }

    /// The incidents that last.
    pub fn incidents(limit: Option<usize>) -> Self {
        Self::new(include_str!("board/incidents.sql"), [text(limit)])
    }

    /// Whom to call because the phone was lost, the first one first.
    pub fn to_repair(limit: Option<usize>) -> Self {
        Self::new(include_str!("board/to_repair.sql"), [text(limit)])
    }

    /// Whom to remind of the QR code, the first one first.
    pub fn to_nudge(limit: Option<usize>) -> Self {
        Self::new(include_str!("board/to_nudge.sql"), [text(limit)])
    }

    /// One row per tenant or bridge, in the order of customer_ref.
    pub fn fleet(filter: &FleetFilter, limit: Option<usize>) -> Self {
        let FleetFilter { status, kind, q, after, after_bridge } = filter.clone();
        Self::new(include_str!("board/fleet.sql"), [status, kind, q, after, after_bridge, text(limit)])
    }

    /// The rows of one customer_ref: its bridge, and duplicates.
    pub fn tenant(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant.sql"), [Some(customer_ref.to_owned())])
    }

    /// Who is paired with the bridges of one customer_ref; no row for a role that may not see it.
    pub fn tenant_phones(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant_phones.sql"), [Some(customer_ref.to_owned())])
    }

    /// The pairing links of one customer_ref, the last one first.
    pub fn tenant_links(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant_links.sql"), [Some(customer_ref.to_owned())])
    }

    /// The drift of one customer_ref.
    pub fn tenant_drift(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant_drift.sql"), [Some(customer_ref.to_owned())])
    }

    /// The incidents of one customer_ref in the remaining history, the last one first.
    pub fn tenant_incidents(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant_incidents.sql"), [Some(customer_ref.to_owned())])
    }

    /// The statuses of one customer_ref's bridges in the last 30 days.
    pub fn tenant_statuses(customer_ref: &str) -> Self {
        Self::new(include_str!("board/tenant_statuses.sql"), [Some(customer_ref.to_owned())])
    }

    /// All that is recorded about one customer_ref, the last first.
    pub fn tenant_history(customer_ref: &str, limit: Option<usize>) -> Self {
        Self::new(include_str!("board/tenant_history.sql"), [Some(customer_ref.to_owned()), text(limit)])
    }

    /// The cost of the present month and of the one before, by tenant. Slow.
    pub fn tenant_costs() -> Self {
        Self::new(include_str!("board/tenant_costs.sql"), [])
    }

    /// The cost by month, the last one first. Slow.
    pub fn costs() -> Self {
        Self::new(include_str!("board/costs.sql"), [])
    }

    /// The entries of the queue: those that wait first.
    pub fn queue(limit: Option<usize>) -> Self {
        Self::new(include_str!("board/queue.sql"), [text(limit)])
    }

    /// The runs of `wab apply`, the last one first.
    pub fn runs(limit: Option<usize>) -> Self {
        Self::new(include_str!("board/runs.sql"), [text(limit)])
    }

    /// One run.
    pub fn run(run_id: &str) -> Self {
        Self::new(include_str!("board/run.sql"), [Some(run_id.to_owned())])
    }

    /// The steps of one run.
    pub fn operations(run_id: &str) -> Self {
        Self::new(include_str!("board/operations.sql"), [Some(run_id.to_owned())])
    }

    /// A query of `monitoring/sql_exporter.yml`, which names the views without a schema.
    pub fn metric(sql: &str) -> Self {
        let sql = sql.replace(" wab_", " @extschema@.wab_");
        Self { sql, arguments: Vec::new(), path: SearchPath::Catalog }
    }

    /// One row that differs after whatever a page shows has changed.
    pub fn changes() -> Self {
        Self::new(include_str!("board/changes.sql"), [])
    }
}

/// `None` stands for no limit.
fn text(limit: Option<usize>) -> Option<String> {
    limit.map(|limit| limit.to_string())
}
