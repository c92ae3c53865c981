//! What `wab doctor` makes of the key, the provider and the clocks, and the exit code of all checks.

use std::time::Duration;

use chrono::TimeDelta;
use wabridges::Listing;

use crate::ground::{Exit, span};
use crate::model::{Check, Error, Verdict};

/// The exit code of all of them: a problem with the key outranks the others.
pub fn exit(checks: &[Check]) -> Exit {
    let problem = |check: &&Check| check.verdict == Verdict::Problem;
    match checks.iter().filter(problem).map(|check| check.exit).collect::<Vec<_>>().as_slice() {
        [] => Exit::Done,
        exits if exits.contains(&Exit::Auth) => Exit::Auth,
        _ => Exit::Error,
    }
}

/// The key, whose fingerprint is no secret.
pub fn key(fingerprint: &str, pin: Option<&str>) -> Check {
    Check::ok(
        "key",
        match pin {
            Some(_) => format!("fingerprint {fingerprint}, as account.key_fingerprint pins it"),
            None => {
                format!(
                    "fingerprint {fingerprint}; account.key_fingerprint: {fingerprint} would pin the account"
                )
            }
        },
    )
}

/// The provider's list, and how long it took.
pub fn provider(listed: Result<Listing, wabridges::Error>, took: Duration) -> Check {
    let listing = match listed {
        Ok(listing) => listing,
        Err(wabridges::Error::RateLimited { retry_after }) => {
            return Check::warning(
                "provider",
                format!("takes no more calls for {}", span(retry_after)),
                "something else uses the key's limits up; leave it some: policy.rate_budget",
            );
        }
        Err(error) => {
            return Check::failed(
                "provider",
                &Error::provider("cannot list the fleet at the provider")(error),
            );
        }
    };
    let (bridges, bad) = (listing.bridges.len(), listing.malformed.len());
    let told = listing.bridges.iter().filter(|bridge| bridge.raw_status.is_some()).count();
    let statuses = match told {
        _ if bridges == 0 => "",
        0 => "; the list brings no statuses",
        all if all == bridges => "; the list brings their statuses",
        _ => "; the list brings the statuses of some",
    };
    let says = format!("lists {bridges} bridges, in {:.2} s{statuses}", took.as_secs_f64());
    match bad {
        0 => Check::ok("provider", says),
        _ => Check::warning(
            "provider",
            format!("{says}; {bad} rows of it cannot be read"),
            "wab plan says which; until they can be read, no absence is believed and nothing is provisioned",
        ),
    }
}

/// More than this between two clocks is no matter of a slow answer.
const APART: i64 = 30;

/// How far the database's and the provider's clocks are ahead of this machine's.
pub fn clocks(database: Option<TimeDelta>, provider: Option<TimeDelta>) -> Check {
    let told: Vec<(&str, i64)> = [("the database", database), ("the provider", provider)]
        .into_iter()
        .filter_map(|(whose, ahead)| Some((whose, ahead?.num_seconds())))
        .collect();
    if told.is_empty() {
        return Check::skipped("clocks", "no other clock could be asked");
    }
    let says = told
        .iter()
        .map(|(whose, ahead)| match ahead {
            -1..=1 => format!("{whose} has the time of this machine"),
            2.. => format!("{whose} is {ahead} s ahead of this machine"),
            _ => format!("{whose} is {} s behind this machine", -ahead),
        })
        .collect::<Vec<_>>()
        .join("; ");
    let all = told.iter().map(|(_, ahead)| *ahead).chain([0]);
    let (least, most) = all.fold((0, 0), |(least, most), ahead| (ahead.min(least), ahead.max(most)));
    if most - least <= APART {
        return Check::ok("clocks", says);
    }
    Check::warning(
        "clocks",
        says,
        "let all of them keep time (NTP): observations are dated by the database, waits and ages by the others",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_decides_the_exit_code_and_the_key_outranks_the_rest() {
        let (ok, warning) = (Check::ok("a", "x"), Check::warning("b", "x", "y"));
        let problem = Check::problem("c", "x", "y");
        let refused = Error::provider("x")(wabridges::Error::Auth { status: 401 });
        let key = Check::failed("d", &refused);
        assert_eq!(exit(&[ok.clone(), warning.clone()]), Exit::Done);
        assert_eq!(exit(&[ok, problem.clone(), warning]), Exit::Error);
        assert_eq!(exit(&[problem, key]), Exit::Auth);
        // An error that elsewhere means another code is a mere problem here.
        let locked = Check::failed("e", &Error::Locked { holder: String::new() });
        assert_eq!(exit(&[locked]), Exit::Error);
    }

    #[test]
    fn used_up_limits_are_no_problem_and_a_refused_key_is_one_of_its_own() {
        let provider = |error| provider(Err(error), Duration::ZERO);
        let limited = provider(wabridges::Error::RateLimited { retry_after: Duration::from_secs(60) });
        assert_eq!(
            (limited.verdict, limited.says.as_str()),
            (Verdict::Warning, "takes no more calls for 1m")
        );
        assert_eq!(provider(wabridges::Error::Auth { status: 401 }).exit, Exit::Auth);
        assert_eq!(provider(wabridges::Error::NotFound { what: "x".into() }).exit, Exit::Error);
    }

    #[test]
    fn clocks_are_compared_with_each_other_too() {
        let seconds = |seconds| Some(TimeDelta::seconds(seconds));
        assert_eq!(clocks(seconds(0), seconds(-1)).verdict, Verdict::Ok);
        assert_eq!(clocks(seconds(29), None).verdict, Verdict::Ok);
        let apart = clocks(seconds(20), seconds(-20));
        assert_eq!(apart.verdict, Verdict::Warning);
        assert_eq!(
            apart.says,
            "the database is 20 s ahead of this machine; the provider is 20 s behind this machine"
        );
        assert_eq!(clocks(None, seconds(31)).verdict, Verdict::Warning);
        assert_eq!(clocks(None, None).verdict, Verdict::Skipped);
    }
}
