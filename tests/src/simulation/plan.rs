//! Compares what `wab plan` says with what the model would do: the same steps, no other ones, and nothing is changed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Said;
use crate::simulation::drift;
use crate::simulation::kind::{Drift, Kind};
use crate::simulation::mismatch::{Mismatch, compare, mismatch};
use crate::simulation::model::Model;
use crate::simulation::moment::Moment;

/// What a plan says: the exit codes with which it may end, and its steps if it is 0.
pub struct Foreseen {
    codes: &'static [i32],
    steps: BTreeMap<String, String>,
}

impl Model {
    /// What a plan that is made now must say.
    pub fn foresee(&self, at: Moment) -> Foreseen {
        let none = |codes| Foreseen { codes, steps: BTreeMap::new() };
        let mut seen = self.clone();
        if !seen.list(at) {
            return none(if self.provider.answers() { &[1, 5] } else { &[1, 3] });
        }
        if !seen.is_whole {
            return none(&[1]);
        }
        seen.declare();
        let present = drift::drift(&seen, at);
        // A tenant that was given another id: a guard refuses the whole plan.
        if present.iter().any(|one| one.kind == Kind::Missing && one.observed.is_some()) {
            return none(&[5]);
        }
        let step = |one| seen.step(one).map(|step| (step, "planned".to_owned()));
        Foreseen { codes: &[0], steps: present.iter().filter_map(step).collect() }
    }

    /// The step that repairs a difference; `None` if only a person can.
    fn step(&self, one: &Drift) -> Option<String> {
        let customer_ref = one.customer_ref.as_deref().unwrap_or_default();
        Some(match one.kind {
            Kind::StaleBinding => format!("unlink {customer_ref}"),
            Kind::Unbound => format!("link {customer_ref} {}", one.bridge_id?),
            Kind::StatusDrift => format!("set_status {customer_ref} {}", one.observed.as_ref()?),
            Kind::Missing => format!("provision {customer_ref}"),
            kind if kind.wastes() => {
                let id = one.bridge_id?;
                self.declared.remove.get(&id).filter(|named| *named == customer_ref)?;
                format!("delete {customer_ref} {id}")
            }
            _ => return None,
        })
    }
}

/// Compares a plan with what it must say.
pub fn compare_plan(said: &Said, foreseen: &Foreseen, at: Moment) -> Result<Vec<Mismatch>> {
    const CHECK: &str = "plan";
    if !foreseen.codes.contains(&said.code) {
        let real = format!("exit {}: {}{}", said.code, said.stdout, said.stderr);
        let model = format!("one of the exits {:?}", foreseen.codes);
        return Ok(vec![mismatch(CHECK, at, "wab plan".to_owned(), Some(model), Some(real))]);
    }
    if said.code != 0 {
        return Ok(Vec::new());
    }
    let plan: Value = serde_json::from_str(&said.stdout).context("wab plan --format json")?;
    let steps = plan["steps"].as_array().context("a plan without steps")?;
    let real = steps.iter().map(|step| (text(step), "planned".to_owned())).collect();
    Ok(compare(CHECK, at, &foreseen.steps, &real))
}

/// The kind, the customer_ref, and what a step of this kind writes or deletes.
fn text(step: &Value) -> String {
    let words = ["kind", "customer_ref", "bridge_id", "status"].map(|name| match &step[name] {
        Value::Null => String::new(),
        Value::String(text) => format!("{text} "),
        other => format!("{other} "),
    });
    words.concat().trim_end().to_owned()
}
