//! Judges the key, the provider and the clocks for `wab doctor`, and computes the exit code of all checks.

use std::time::Duration;

use chrono::TimeDelta;
use wabridges::Listing;

use crate::config::Webhook;
use crate::ground::webhook::{host_only, is_example};
use crate::ground::{Exit, span};
use crate::model::{Check, Error, Verdict};

/// The exit code of all checks: a problem with the key outranks the others.
pub fn exit(checks: &[Check]) -> Exit {
    let problem = |check: &&Check| check.verdict == Verdict::Problem;
    match checks.iter().filter(problem).map(|check| check.exit).collect::<Vec<_>>().as_slice() {
        [] => Exit::Done,
        exits if exits.contains(&Exit::Auth) => Exit::Auth,
        _ => Exit::Error,
    }
}

/// The valid fleet.yaml. A webhook at a host that is reserved for examples reaches no program, and no call can change it
/// once a bridge is made.
pub fn file(says: String, webhook: Option<&Webhook>) -> Check {
    let host = webhook.and_then(Webhook::template).map(|template| host_only(template.as_str()));
    match host.filter(|host| is_example(host)) {
        None => Check::ok("fleet.yaml", says),
        Some(host) => Check::warning(
            "fleet.yaml",
            format!("{says}; bridges.webhook_url goes to {host}, a host reserved for examples"),
            "name your own host before you apply: the webhook of a bridge that exists is changed in the dashboard only",
        ),
    }
}

/// The key. Its fingerprint is not a secret.
pub fn key(fingerprint: &str, pins: &[String]) -> Check {
    Check::ok(
        "key",
        match pins {
            [_] => format!("fingerprint {fingerprint}, pinned by account.key_fingerprint"),
            [_, ..] => format!(
                "fingerprint {fingerprint}, one of the {} that account.key_fingerprint pins",
                pins.len()
            ),
            [] => {
                format!(
                    "fingerprint {fingerprint}; to pin the account, set account.key_fingerprint: {fingerprint}"
                )
            }
        },
    )
}

/// How calls reach the provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Route<'a> {
    /// The host and port of account.proxy.
    pub proxy: Option<&'a str>,
    /// The environment variable that names a proxy, which wab does not use.
    pub ignored: Option<&'a str>,
}

/// The provider's listing, and how long it took.
pub fn provider(listed: Result<Listing, wabridges::Error>, took: Duration, route: Route<'_>) -> Check {
    let listing = match listed {
        Ok(listing) => listing,
        Err(wabridges::Error::RateLimited { retry_after }) => {
            return Check::warning(
                "provider",
                format!("accepts no calls for {}", span(retry_after)),
                "another program uses up the key's limits; lower policy.rate_budget to leave it a share",
            );
        }
        Err(error) => {
            let is_cut_off = error.is_before_sending();
            let failed =
                Check::failed("provider", &Error::provider("cannot list the fleet at the provider")(error));
            return match route {
                Route { proxy: None, ignored: Some(name) } if is_cut_off => Check {
                    hint: Some(format!(
                        "wab does not use the proxy in {name}: if the provider is only reached through it, name it in account.proxy"
                    )),
                    ..failed
                },
                _ => failed,
            };
        }
    };
    let (bridges, bad) = (listing.bridges.len(), listing.malformed.len());
    let with_status = listing.bridges.iter().filter(|bridge| bridge.raw_status.is_some()).count();
    let statuses = match with_status {
        _ if bridges == 0 => "",
        0 => "; the listing has no statuses",
        all if all == bridges => "; the listing has all statuses",
        _ => "; the listing has some of the statuses",
    };
    let through = route.proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    let says = format!("lists {bridges} bridges, in {:.2} s{through}{statuses}", took.as_secs_f64());
    match bad {
        0 => Check::ok("provider", says),
        _ => Check::warning(
            "provider",
            format!("{says}; {bad} rows cannot be read"),
            "wab plan shows them; until they can be read, no bridge counts as gone and nothing is provisioned",
        ),
    }
}

/// In seconds: clocks that differ by more are reported. A slow answer can explain a smaller difference.
const APART: i64 = 30;

/// How far the database's and the provider's clocks are ahead of this machine's.
pub fn clocks(database: Option<TimeDelta>, provider: Option<TimeDelta>) -> Check {
    let clocks: Vec<(&str, i64)> = [("the database", database), ("the provider", provider)]
        .into_iter()
        .filter_map(|(clock, ahead)| Some((clock, ahead?.num_seconds())))
        .collect();
    if clocks.is_empty() {
        return Check::skipped("clocks", "no other clock could be read");
    }
    let says = clocks
        .iter()
        .map(|(clock, ahead)| match ahead {
            -1..=1 => format!("{clock} has the time of this machine"),
            2.. => format!("{clock} is {ahead} s ahead of this machine"),
            _ => format!("{clock} is {} s behind this machine", -ahead),
        })
        .collect::<Vec<_>>()
        .join("; ");
    let all = clocks.iter().map(|(_, ahead)| *ahead).chain([0]);
    let (least, most) = all.fold((0, 0), |(least, most), ahead| (ahead.min(least), ahead.max(most)));
    if most - least <= APART {
        return Check::ok("clocks", says);
    }
    Check::warning(
        "clocks",
        says,
        "synchronise all clocks (NTP): the database's clock dates observations, the others measure waits and ages",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_decides_the_exit_code_and_the_key_outranks_the_rest() {
        let (ok, warning) = (Check::ok("a", "x"), Check::warning("b", "x", "y"));
        let problem = Check::problem("c", "x", "y");
        let refused = Error::provider("x")(wabridges::Error::Auth { status: 401, said: String::new() });
        let key = Check::failed("d", &refused);
        assert_eq!(exit(&[ok.clone(), warning.clone()]), Exit::Done);
        assert_eq!(exit(&[ok, problem.clone(), warning]), Exit::Error);
        assert_eq!(exit(&[problem, key]), Exit::Auth);
        // Elsewhere this error has another exit code; here it is 1, like every problem.
        let locked = Check::failed("e", &Error::Locked { holder: None });
        assert_eq!(exit(&[locked]), Exit::Error);
    }

    #[test]
    fn used_up_limits_are_a_warning_and_a_refused_key_has_its_own_code() {
        let provider = |error| provider(Err(error), Duration::ZERO, Route::default());
        let limited = provider(wabridges::Error::RateLimited { retry_after: Duration::from_secs(60) });
        assert_eq!((limited.verdict, limited.says.as_str()), (Verdict::Warning, "accepts no calls for 1m"));
        assert_eq!(provider(wabridges::Error::Auth { status: 401, said: String::new() }).exit, Exit::Auth);
        assert_eq!(provider(wabridges::Error::NotFound { what: "x".into() }).exit, Exit::Error);
    }

    #[test]
    fn a_proxy_of_the_environment_is_named_if_the_provider_cannot_be_reached() {
        let cut_off = || Err(wabridges::Error::Connect { place: "h:443".into(), source: "refused".into() });
        let hint = |proxy, ignored| provider(cut_off(), Duration::ZERO, Route { proxy, ignored }).hint;
        assert!(hint(None, Some("HTTPS_PROXY")).unwrap().contains("the proxy in HTTPS_PROXY"));
        assert_eq!(hint(Some("proxy:3128"), Some("HTTPS_PROXY")), hint(None, None));
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
