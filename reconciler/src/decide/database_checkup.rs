//! Judges the state of the database for `wab doctor`. The reading is in `db::examine`.

use std::time::Duration;

use crate::ground::webhook::{host_of_expression, is_example};
use crate::ground::{OURS, Version, quoted, span};
use crate::model::{
    BindingChange, Check, Index, Job, Objects, RowSecurity, Source, Status, Unfinished, UnmappedWord,
    set_back,
};

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

/// In seconds: an older observation is stale.
const STALE: i64 = 24 * 60 * 60;

/// The last observation.
pub fn observation(status: &Status) -> Check {
    let hint =
        "observe again: wab apply, or SELECT * FROM wab_refresh(); pg_cron can run it: wab sql cron | psql";
    if let Some(future) = status.future_observation {
        return Check::problem(
            "observation",
            set_back(future),
            "correct the server's clock, or wait until that time has passed",
        );
    }
    let Some(age) = status.age_seconds else {
        return Check::warning("observation", "the fleet was never observed", hint);
    };
    let ago = span(Duration::from_secs(u64::try_from(age).unwrap_or(0)));
    let outside = match status.outside {
        Some(outside @ 1..) => format!("; {outside} more listed bridges lie outside of customer_refs"),
        _ => String::new(),
    };
    let says = format!(
        "{} bridges, {ago} ago, by {}{outside}",
        status.bridges,
        status.source.as_deref().unwrap_or("?")
    );
    match status.malformed {
        Some(malformed @ 1..) => Check::warning(
            "observation",
            format!("{says}; {malformed} listed rows could not be read"),
            "wab plan shows them",
        ),
        _ if age > STALE => Check::warning("observation", says, hint),
        _ => Check::ok("observation", says),
    }
}

/// Status calls a minute that the jobs of sql/cron.sql make.
const CALLS_A_MINUTE: i64 = 60;

/// In seconds: a younger status is never called old.
const YOUNG: i64 = 60 * 60;

/// Whether statuses are known, and how old the oldest is. Polling asks every bridge within one and a half
/// rounds; a word that is not mapped stays unknown however often the session is asked.
pub fn statuses(status: &Status, unmapped: &[UnmappedWord]) -> Check {
    let known = status.bridges - status.unknown;
    let mut says = format!("{known} of {} bridges have a known status", status.bridges);
    let for_all = (status.polled * 60).div_euclid(CALLS_A_MINUTE).max(60);
    let oldest = status.oldest_status_seconds.unwrap_or(0).max(0);
    let lasts = |seconds: i64| span(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    if status.oldest_status_seconds.is_some() {
        says += &format!("; the oldest status is {} old", lasts(oldest));
    }
    if status.polled > 0 {
        says += &format!(
            "; {} bridges at {CALLS_A_MINUTE} calls a minute take {}",
            status.polled,
            lasts(for_all)
        );
    }
    let is_old = status.polled > 0 && oldest > YOUNG.max(for_all * 3 / 2);
    if status.unknown == 0 && !is_old {
        return Check::ok("statuses", says);
    }
    if !unmapped.is_empty() {
        let words = unmapped.iter().map(|word| format!("{} ({})", quoted(&word.raw_status), word.bridges));
        let words = words.collect::<Vec<_>>().join(", ");
        return Check::warning(
            "statuses",
            format!("{says}; the provider's words that are not mapped: {words}"),
            "map them: bridges.status_words in fleet.yaml, or INSERT INTO wab_status_words VALUES ('…', 'paired');",
        );
    }
    let hint = "ask the sessions: wab apply --poll-status 100, or SELECT * FROM wab_poll_status(); pg_cron can run it: wab sql cron | psql";
    Check::warning("statuses", says, hint)
}

/// Unfinished runs, and the run that holds the lock.
pub fn runs(unfinished: &Unfinished) -> Check {
    match (&unfinished.holder, unfinished.runs, &unfinished.last) {
        (Some(holder), runs, _) => {
            let interrupted = match runs {
                0 | 1 => String::new(),
                runs => format!("; {} runs before it were interrupted", runs - 1),
            };
            Check::ok("runs", format!("an apply holds the lock: {holder}{interrupted}"))
        }
        (None, 0, None) => Check::ok("runs", "no run yet, and no apply is running"),
        (None, 0, Some(last)) => {
            Check::ok("runs", format!("the last run ended: {last}; no apply is running"))
        }
        (None, runs, Some(last)) if last == "interrupted" => Check::warning(
            "runs",
            format!("the last run was interrupted; {runs} runs in all did not end"),
            "run wab apply again: it continues from the current state",
        ),
        (None, runs, _) => Check::ok(
            "runs",
            format!("{runs} earlier runs were interrupted, and a later one continued; no apply is running"),
        ),
    }
}

/// The jobs of pg_cron; `None` if pg_cron is not in this database.
pub fn jobs(jobs: Option<&[Job]>) -> Check {
    let Some(jobs) = jobs else {
        return Check::ok("pg_cron", "pg_cron is not in this database: nothing is scheduled");
    };
    if jobs.is_empty() {
        return Check::warning(
            "pg_cron",
            "this role has scheduled no job that calls a wab_ function",
            "with the extension: wab sql cron | psql; jobs of other roles are not visible",
        );
    }
    let bad: Vec<String> = jobs
        .iter()
        .filter_map(|job| match (&job.failure, job.active) {
            (_, false) => Some(format!("{} is switched off", job.name)),
            (Some(failure), true) => Some(format!("{} failed last time: {failure}", job.name)),
            (None, true) => None,
        })
        .collect();
    let names = jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ");
    if bad.is_empty() {
        let waiting: Vec<&str> = jobs.iter().filter(|job| !job.ran).map(|job| job.name.as_str()).collect();
        let ran = match waiting.len() {
            0 => "none failed last time".to_owned(),
            all if all == jobs.len() => "no run yet".to_owned(),
            _ => format!("none failed last time; no run yet: {}", waiting.join(", ")),
        };
        return Check::ok("pg_cron", format!("{names}: active, and {ran}"));
    }
    Check::warning(
        "pg_cron",
        bad.join("; "),
        "SELECT * FROM cron.job_run_details ORDER BY start_time DESC; SELECT cron.alter_job(jobid, active := true)",
    )
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

    #[test]
    fn runs_that_did_not_end() {
        let verdict = |runs, holder: Option<&str>, last: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            runs_of(Unfinished { runs, holder: text(holder), last: text(last) })
        };
        assert_eq!(verdict(0, None, None), Ok);
        assert_eq!(verdict(0, None, Some("done")), Ok);
        assert_eq!(verdict(1, Some("server process 1"), Some("running")), Ok);
        assert_eq!(verdict(1, None, Some("interrupted")), Warning);
        assert_eq!(verdict(1, None, Some("done")), Ok, "a later run continued");
    }

    fn runs_of(unfinished: Unfinished) -> Verdict {
        runs(&unfinished).verdict
    }

    #[test]
    fn jobs_that_are_off_or_failed() {
        let job = |active, failure: Option<&str>| Job {
            name: "wab-refresh".into(),
            active,
            ran: failure != Some("no run"),
            failure: failure.filter(|text| *text != "no run").map(str::to_owned),
        };
        let (ran, waits) = (job(true, None), job(true, Some("no run")));
        assert!(jobs(Some(std::slice::from_ref(&waits))).says.ends_with("active, and no run yet"));
        assert!(jobs(Some(std::slice::from_ref(&ran))).says.ends_with("active, and none failed last time"));
        assert!(jobs(Some(&[ran, waits])).says.ends_with("none failed last time; no run yet: wab-refresh"));
        assert_eq!(jobs(None).verdict, Ok);
        assert_eq!(jobs(Some(&[])).verdict, Warning);
        assert_eq!(jobs(Some(&[job(true, None)])).verdict, Ok);
        assert_eq!(jobs(Some(&[job(true, None), job(false, None)])).verdict, Warning);
        assert!(
            jobs(Some(&[job(true, Some("no route"))]))
                .says
                .contains("wab-refresh failed last time: no route")
        );
    }
}
