//! The outcome of one step, and the summary of a batch in one line.

use wabridges::BridgeId;

use crate::ground::Exit;
use crate::model::{Error, Outcome, RunEnd, Step, chain};

/// How many failed rows of a batch the summary names.
const NAMED: usize = 5;

/// The outcome of a step.
#[derive(Debug)]
pub struct StepOutcome {
    /// The outcome.
    pub outcome: Outcome,
    /// The error, or a description of the action.
    pub detail: String,
    /// The bridge, if it became known.
    pub bridge_id: Option<BridgeId>,
    /// Set if no further step can succeed: the run ends for this reason.
    pub end: Option<RunEnd>,
    /// The tenant or its row refused the step, which says nothing about the next one.
    pub refused_by_row: bool,
}

/// The SQLSTATEs of a tenant that is not wanted, and of a row that cannot take a bridge.
const ABOUT_ONE_TENANT: [&str; 2] = ["22023", "55000"];

impl StepOutcome {
    /// Whether the step was done.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// A step that was done.
    pub fn done(detail: String, bridge_id: Option<BridgeId>) -> Self {
        Self { outcome: Outcome::Done, detail, bridge_id, end: None, refused_by_row: false }
    }

    /// A step that failed, or one with an unknown outcome.
    pub fn failed(error: &Error) -> Self {
        let ambiguous = matches!(error, Error::Provider { source, .. } if source.is_ambiguous());
        let outcome = if ambiguous { Outcome::Unknown } else { Outcome::Failed };
        let refused_by_row =
            matches!(error, Error::Database { source, .. } if source.has_code(&ABOUT_ONE_TENANT));
        Self { outcome, detail: chain(error), bridge_id: None, end: end(error), refused_by_row }
    }

    /// The tenant row does not hold what was written, for this reason.
    pub fn unwritten(reason: String, bridge_id: Option<BridgeId>) -> Self {
        Self { outcome: Outcome::Failed, detail: reason, bridge_id, end: None, refused_by_row: true }
    }

    /// The provider did its part, but the database could not record it. The next run finds the bridge and
    /// continues.
    pub fn unrecorded(what: &str, bridge_id: BridgeId, error: &Error) -> Self {
        let detail = format!("bridge {bridge_id} was {what}, but: {}", chain(error));
        let bridge_id = Some(bridge_id);
        Self { outcome: Outcome::Unknown, detail, bridge_id, end: end(error), refused_by_row: false }
    }
}

fn end(error: &Error) -> Option<RunEnd> {
    match error {
        _ if error.exit() == Exit::Auth => Some(RunEnd::Auth),
        Error::Database { source, .. } if source.is_lost || source.is_denied() => {
            Some(RunEnd::Database(chain(error)))
        }
        _ => None,
    }
}

/// Summarises the batch in one line for the run log.
pub fn together(batch: &[Step], outcomes: &[StepOutcome]) -> (Outcome, String) {
    if let [one] = outcomes {
        return (one.outcome, one.detail.clone());
    }
    let bad: Vec<_> = batch.iter().zip(outcomes).filter(|(_, of)| of.outcome != Outcome::Done).collect();
    let done = outcomes.len() - bad.len();
    if bad.is_empty() && done == batch.len() {
        return (Outcome::Done, format!("{done} steps done"));
    }
    let mut detail = format!("{done} of {} steps done", batch.len());
    for (step, of) in bad.iter().take(NAMED) {
        detail += &format!("; {}: {}", step.customer_ref(), of.detail);
    }
    if bad.len() > NAMED {
        detail += &format!("; … and {} more", bad.len() - NAMED);
    }
    (Outcome::Failed, detail)
}

#[cfg(test)]
mod tests {
    use wabridges::CustomerRef;

    use super::*;

    fn bridge() -> BridgeId {
        BridgeId::new(7).unwrap()
    }

    fn step(customer_ref: &str) -> Step {
        Step::Link {
            customer_ref: CustomerRef::new(customer_ref).unwrap(),
            bridge_id: bridge(),
            was: None,
            reason: String::new(),
        }
    }

    #[test]
    fn a_bridge_that_could_not_be_recorded_is_named_and_a_lost_database_ends_the_run() {
        let lost = Error::database("cannot record it")(sqlx::Error::PoolClosed);
        let of = StepOutcome::unrecorded("provisioned", bridge(), &lost);
        assert_eq!((of.outcome, of.bridge_id), (Outcome::Unknown, Some(bridge())));
        assert!(of.detail.starts_with("bridge 7 was provisioned, but: cannot record it"), "{}", of.detail);
        assert!(matches!(of.end, Some(RunEnd::Database(_))));
    }

    #[test]
    fn a_refused_key_ends_the_run_and_a_lost_answer_does_not() {
        let refused = wabridges::Error::Auth { status: 401, said: String::new() };
        assert_eq!(StepOutcome::failed(&Error::provider("x")(refused)).end, Some(RunEnd::Auth));
        let lost = wabridges::Error::Ambiguous {
            source: Box::new(wabridges::Error::Server { status: 500, excerpt: String::new() }),
        };
        let of = StepOutcome::failed(&Error::provider("x")(lost));
        assert_eq!((of.outcome, of.end), (Outcome::Unknown, None));
    }

    #[test]
    fn a_batch_names_its_bad_rows() {
        let batch = [step("a"), step("b")];
        let done = || StepOutcome::done("x".into(), None);
        assert_eq!(together(&batch, &[done(), done()]), (Outcome::Done, "2 steps done".into()));
        let bad = StepOutcome::failed(&Error::config("no", "way"));
        assert_eq!(together(&batch, &[done(), bad]), (Outcome::Failed, "1 of 2 steps done; b: no".into()));
    }
}
