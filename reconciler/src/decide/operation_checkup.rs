//! Judges how the fleet is kept, for `wab doctor`: the last observation, the statuses, the runs and the jobs.

use std::time::Duration;

use crate::ground::{quoted, span};
use crate::model::{Check, Job, Status, Unfinished, UnmappedWord, set_back};

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
    use crate::model::Verdict::{self, Ok, Warning};

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
