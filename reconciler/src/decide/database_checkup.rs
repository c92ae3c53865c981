//! Judges the state of the database for `wab doctor`. The reading is in `db::examine`.

use crate::ground::webhook::{host_of_expression, is_example};
use crate::ground::{OURS, Version, quoted};
use crate::model::{BindingChange, Check, Index, Objects, RowSecurity, Source};

/// The server's version, the role, and whether a pooler stands between.
pub fn server(version: Option<u32>, role: &str, database: &str, is_pooled: bool) -> Check {
    let major = version.map_or(0, |version| version / 10_000);
    let pooler = if is_pooled {
        "; through a pooler: wab works, and wab apply takes two of its server connections; LISTEN and SET of your own may not last \
         between transactions"
    } else {
        ""
    };
    let says = format!("PostgreSQL {major}, database {database}, role {role}{pooler}");
    match major {
        14..=18 => Check::ok("database", says),
        ..14 => Check::problem("database", says, "wab needs PostgreSQL 14 or newer"),
        _ => Check::warning("database", says, "this version is untested: wab is tested with 14 to 18"),
    }
}

/// A standby server, which accepts no writes.
pub fn standby() -> Check {
    Check::problem(
        "database",
        "a standby: only wab status and wab drift --stored work here",
        "connect to the primary",
    )
}

/// A role that may record the steps, in a database where its transactions begin as read-only.
pub fn read_only() -> Check {
    Check::problem(
        "rights",
        "the transactions of this role are read-only here: wab plan and wab apply cannot store the list",
        "ALTER DATABASE or ROLE … SET default_transaction_read_only = off, wherever it is on (a host may set it when the disk is full); \
         or connect to the primary",
    )
}

/// How the objects were installed, and their version.
pub fn objects(objects: &Objects) -> Check {
    let place = format!("in schema {}", objects.schema);
    let (says, hint) = match &objects.source {
        Source::Extension { version } => (
            format!("the extension pg_wabridges {version}, {place}"),
            "install the new version on the server, then: ALTER EXTENSION pg_wabridges UPDATE; SELECT * FROM wab_bind_tenants();",
        ),
        Source::SqlOnly => (format!("a SQL-only installation, {place}"), "update it: wab init --sql-only"),
    };
    if let (Source::Extension { version }, Some(library)) = (&objects.source, &objects.version)
        && version != library
    {
        return Check::problem("objects", format!("{says}, but its library is {library}"), hint);
    }
    let Some(version) = &objects.version else {
        return Check::problem(
            "objects",
            format!("{says}, without a version: older than this wab {OURS}"),
            hint,
        );
    };
    let says = match objects.source {
        Source::Extension { .. } => says,
        Source::SqlOnly => format!("{says}, version {version}"),
    };
    match (version.parse::<Version>(), OURS.parse::<Version>()) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Check::ok("objects", says),
        (Ok(theirs), Ok(ours)) if theirs > ours => {
            Check::warning("objects", format!("{says}, newer than this wab {OURS}"), "use a newer wab")
        }
        _ => Check::problem("objects", format!("{says}, older than this wab {OURS}"), hint),
    }
}

/// Whether the binding equals fleet.yaml.
pub fn binding(change: Option<&BindingChange>, table: Option<&str>, webhook: Option<&str>) -> Check {
    if let (None, Some(host)) = (change, webhook.map(host_of_expression).filter(|host| is_example(host))) {
        return Check::warning(
            "binding",
            format!("the bound webhook_url goes to {host}, a host reserved for examples"),
            "set bridges.webhook_url in fleet.yaml to your own URL, or to none: then wab apply binds it",
        );
    }
    match (change, table) {
        (Some(BindingChange { moves_table: true, before, after, .. }), _) => Check::problem(
            "binding",
            format!(
                "the bound table is {}, but fleet.yaml names {}",
                before.as_ref().map_or("another", |before| before.table.as_str()),
                after.table
            ),
            "name the bound table in fleet.yaml, or bind the other one yourself: SELECT * FROM wab_bind_tenants('…')",
        ),
        (Some(BindingChange { before: None, after, .. }), _) => Check::warning(
            "binding",
            format!("no table is bound yet; fleet.yaml names {}", after.table),
            "wab apply binds it",
        ),
        (Some(BindingChange { after, .. }), _) => Check::warning(
            "binding",
            format!("the binding of {} differs from fleet.yaml, or its views are missing", after.table),
            "wab plan shows the difference, wab apply binds it again",
        ),
        (None, table) => Check::ok(
            "binding",
            format!("{} is bound as in fleet.yaml, and the views exist", table.unwrap_or("the table")),
        ),
    }
}

/// How a tenant row is found by its id.
pub fn index(index: Option<&Index>) -> Check {
    let Some(index) = index else { return Check::skipped("index", "no tenants table is bound yet") };
    let (table, column) = (&index.table, &index.column);
    if !index.repeated.is_empty() {
        let ids = index.repeated.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(", ");
        return Check::problem(
            "index",
            format!(
                "more than one row of {table} has the id {ids}: each counts as a tenant, and they share one bridge"
            ),
            "keep one row of each id; or bind a view that has only the rows in force, such as those that are not deleted",
        );
    }
    if index.is_view {
        return Check::skipped(
            "index",
            format!("{table} is a view: the column of its table behind {column} needs a unique index"),
        );
    }
    match index.unique {
        _ if index.is_slow => Check::warning(
            "index",
            format!("each look-up of a tenant by its id as text reads the whole of {table}"),
            format!("CREATE INDEX ON {table} (({}));", index.as_text),
        ),
        Some(true) => Check::ok("index", format!("{column} of {table} has a unique index")),
        Some(false) => Check::warning(
            "index",
            format!("{column} of {table} has an index, but not a unique one"),
            format!(
                "two rows with the same id would count as one tenant: CREATE UNIQUE INDEX ON {table} ({column});"
            ),
        ),
        None => Check::warning(
            "index",
            format!("{column} of {table} has no index"),
            format!("CREATE UNIQUE INDEX ON {table} ({column});"),
        ),
    }
}

/// Row-level security on the tenants table, for a role that sees all rows. The roles of scheduled jobs must see
/// them too.
pub fn row_security(found: Option<&RowSecurity>) -> Check {
    const CHECK: &str = "hidden rows";
    let Some(RowSecurity { table, enabled, filtered }) = found else {
        return Check::skipped(CHECK, "no tenants table is bound yet");
    };
    match (enabled, filtered.as_slice()) {
        (false, _) => Check::ok(CHECK, format!("{table} has no row-level security")),
        (true, []) => Check::ok(
            CHECK,
            format!("{table} has row-level security, and this role sees all rows; roles of jobs must too"),
        ),
        (true, roles) => Check::problem(
            CHECK,
            format!("row-level security of {table} hides rows from roles of jobs: {}", roles.join(", ")),
            format!("ALTER ROLE {} BYPASSRLS; or schedule the jobs as the owner of the table", roles[0]),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict::{self, Ok, Problem, Warning};

    fn installed(source: Source, version: Option<&str>) -> Verdict {
        objects(&Objects { schema: "public".into(), source, version: version.map(str::to_owned) }).verdict
    }

    #[test]
    fn versions_of_the_server() {
        for (version, verdict) in [
            (None, Problem),
            (Some(130_012), Problem),
            (Some(140_000), Ok),
            (Some(180_001), Ok),
            (Some(190_000), Warning),
        ] {
            assert_eq!(server(version, "r", "d", false).verdict, verdict, "{version:?}");
        }
    }

    #[test]
    fn versions_of_the_objects() {
        let extension = |version: &str| Source::Extension { version: version.to_owned() };
        assert_eq!(installed(extension(OURS), Some(OURS)), Ok);
        assert_eq!(installed(extension("0.0.1"), Some(OURS)), Problem, "not updated after an installation");
        assert_eq!(installed(extension("0.0.1"), Some("0.0.1")), Problem);
        assert_eq!(installed(extension("99.0.0"), Some("99.0.0")), Warning);
        assert_eq!(installed(extension(OURS), None), Problem);
        assert_eq!(installed(Source::SqlOnly, Some(OURS)), Ok);
        assert_eq!(installed(Source::SqlOnly, Some("0.0.1")), Problem);
        assert_eq!(installed(Source::SqlOnly, Some("99.0.0")), Warning);
        assert_eq!(installed(Source::SqlOnly, None), Problem);
    }
}
