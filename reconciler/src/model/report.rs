//! The outcome of a run: the outcome of each step, why the run ended, and its exit code.

use schemars::JsonSchema;
use serde::Serialize;
use wabridges::{BridgeId, CustomerRef};

use crate::ground::Exit;
use crate::model::step::Step;

/// The outcome of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The step was done.
    Done,
    /// The step was not done.
    Failed,
    /// The call was sent, but no answer came. The next run finds out and continues.
    Unknown,
    /// Skipped: the state that the step was planned on has changed.
    Stale,
}

impl Outcome {
    /// The word in wab_operations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
        }
    }
}

/// The outcome of one step, with its number in the plan.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StepReport {
    /// Counts from 1; 0: the step was not tried.
    pub step: usize,
    /// The step's kind.
    #[schemars(extend("enum" = crate::model::step::Step::KINDS))]
    pub kind: &'static str,
    /// The customer_ref of the bridge.
    #[schemars(with = "String")]
    pub customer_ref: CustomerRef,
    /// The bridge, if it is known.
    #[schemars(with = "Option<i64>")]
    pub bridge_id: Option<BridgeId>,
    /// The outcome.
    pub outcome: Outcome,
    /// The error, or a description of the action.
    pub detail: String,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why", content = "detail")]
pub enum RunEnd {
    /// All steps were tried.
    Finished,
    /// A signal asked the run to stop.
    Interrupted,
    /// The deadline was reached.
    Deadline,
    /// Too many failures in a row.
    GaveUp,
    /// The provider refused the key.
    Auth,
    /// The connection to the database was lost, or the role lacks a privilege that every further step needs.
    Database(String),
    /// The lock was lost with the database's server, and another apply took it or ran meanwhile.
    Locked(String),
    /// The run log could not be written.
    #[serde(rename = "trail_lost")]
    LogLost(String),
}

/// The outcome of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Its id in wab_runs; `None` if the plan had no steps.
    pub run_id: Option<String>,
    /// Why it ended.
    pub end: RunEnd,
    /// The steps that were tried, in order.
    pub steps: Vec<StepReport>,
    /// The steps of a saved plan that were not tried: the state was reached already, or the step is stale.
    pub skipped: Vec<StepReport>,
}

impl Report {
    /// The report on a plan without steps.
    pub const fn nothing_to_do() -> Self {
        Self { run_id: None, end: RunEnd::Finished, steps: Vec::new(), skipped: Vec::new() }
    }

    /// How many of the tried steps have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.steps.iter().filter(|step| step.outcome == outcome).count()
    }

    /// The reports on the steps of a saved plan that are not tried.
    pub fn skipped(already: &[Step], stale: &[(Step, String)]) -> Vec<StepReport> {
        let report = |step: &Step, outcome, detail: &str| StepReport {
            step: 0,
            kind: step.kind(),
            customer_ref: step.customer_ref().clone(),
            bridge_id: step.bridge_id(),
            outcome,
            detail: detail.to_owned(),
        };
        let already = already.iter().map(|step| report(step, Outcome::Done, "already in the planned state"));
        already.chain(stale.iter().map(|(step, why)| report(step, Outcome::Stale, why))).collect()
    }

    /// How many steps of a saved plan were skipped as stale.
    pub fn stale(&self) -> usize {
        self.skipped.iter().filter(|step| step.outcome == Outcome::Stale).count()
    }

    /// Whether a step of a saved plan was skipped as stale.
    pub fn is_stale(&self) -> bool {
        self.stale() > 0
    }

    /// The run's outcome in the words of wab_runs: `done`, `partly` (some steps failed or were stale), or `stopped` before
    /// the last step.
    pub fn outcome(&self) -> &'static str {
        match &self.end {
            RunEnd::Finished if self.count(Outcome::Done) == self.steps.len() && !self.is_stale() => "done",
            RunEnd::Finished => "partly",
            _ => "stopped",
        }
    }

    /// The exit code of the run.
    pub fn exit(&self) -> Exit {
        match (&self.end, self.count(Outcome::Done)) {
            (RunEnd::Interrupted, _) => Exit::Interrupted,
            (RunEnd::Deadline, _) => Exit::Deadline,
            (RunEnd::Locked(_), _) => Exit::Locked,
            (RunEnd::Auth, 0) => Exit::Auth,
            (RunEnd::LogLost(_) | RunEnd::Database(_), 0) if self.count(Outcome::Unknown) == 0 => Exit::Error,
            (RunEnd::Finished, done) if done < self.steps.len() => Exit::Partly,
            (RunEnd::Finished, _) if self.is_stale() => Exit::Stale,
            (RunEnd::Finished, _) => Exit::Done,
            _ => Exit::Partly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(end: RunEnd, outcomes: &[Outcome]) -> Report {
        let steps = outcomes.iter().map(|outcome| StepReport {
            step: 1,
            kind: "provision",
            customer_ref: CustomerRef::new("c").unwrap(),
            bridge_id: None,
            outcome: *outcome,
            detail: String::new(),
        });
        Report { run_id: None, end, steps: steps.collect(), skipped: Vec::new() }
    }

    #[test]
    fn the_exit_code_tells_how_far_it_got() {
        use Outcome::{Done, Failed, Unknown};
        for (end, outcomes, exit, finish) in [
            (RunEnd::Finished, vec![Done, Done], Exit::Done, "done"),
            (RunEnd::Finished, vec![], Exit::Done, "done"),
            (RunEnd::Finished, vec![Done, Failed], Exit::Partly, "partly"),
            (RunEnd::Finished, vec![Unknown], Exit::Partly, "partly"),
            (RunEnd::GaveUp, vec![Failed; 5], Exit::Partly, "stopped"),
            (RunEnd::Auth, vec![Failed], Exit::Auth, "stopped"),
            (RunEnd::Auth, vec![Done, Failed], Exit::Partly, "stopped"),
            (RunEnd::Interrupted, vec![Done], Exit::Interrupted, "stopped"),
            (RunEnd::Deadline, vec![Done], Exit::Deadline, "stopped"),
            (RunEnd::Locked(String::new()), vec![Done], Exit::Locked, "stopped"),
            (RunEnd::LogLost(String::new()), vec![], Exit::Error, "stopped"),
            (RunEnd::LogLost(String::new()), vec![Done], Exit::Partly, "stopped"),
            (RunEnd::Database(String::new()), vec![Failed], Exit::Error, "stopped"),
            (RunEnd::Database(String::new()), vec![Unknown], Exit::Partly, "stopped"),
        ] {
            let report = report(end, &outcomes);
            assert_eq!((report.exit(), report.outcome()), (exit, finish), "{report:?}");
        }
    }

    #[test]
    fn a_stale_step_sets_the_exit_code_unless_another_failed() {
        let step = Step::Delete {
            customer_ref: CustomerRef::new("c").unwrap(),
            bridge_id: BridgeId::new(7).unwrap(),
            because: crate::model::drift::Kind::Orphaned,
            reason: String::new(),
        };
        for (outcomes, exit) in [
            (vec![], Exit::Stale),
            (vec![Outcome::Done], Exit::Stale),
            (vec![Outcome::Done, Outcome::Failed], Exit::Partly),
        ] {
            let mut report = report(RunEnd::Finished, &outcomes);
            report.skipped = Report::skipped(std::slice::from_ref(&step), &[]);
            assert_ne!(report.exit(), Exit::Stale);
            report.skipped.extend(Report::skipped(&[], &[(step.clone(), "moved".into())]));
            assert_eq!((report.exit(), report.outcome()), (exit, "partly"));
            assert_eq!(report.skipped.len(), 2);
        }
    }
}
