//! Renders the checks of `wab doctor`: one line each, and its hint below.

use std::fmt::Write;

use crate::ground::{count, harmless};
use crate::model::{Check, Verdict};
use crate::render::words::Paint;

/// All checks, and their summary.
pub fn checkup(checks: &[Check], paint: Paint) -> String {
    let mut out = String::new();
    for check in checks {
        let word = match check.verdict {
            Verdict::Ok => paint.green("ok     "),
            Verdict::Warning => paint.yellow("warning"),
            Verdict::Problem => paint.red("problem"),
            Verdict::Skipped => paint.dim("skipped"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{word}  {:<11}  {}", check.check, harmless(&check.says));
        if let Some(hint) = &check.hint {
            let _ = writeln!(out, "{:22}→ {}", "", harmless(hint));
        }
    }
    let of = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let sum = match (of(Verdict::Problem), of(Verdict::Warning)) {
        (0, 0) => "All is well.".to_owned(),
        (0, warnings) => format!("No problem, {}.", count(warnings, "warning")),
        (problems, warnings) => format!("{}, {}.", count(problems, "problem"), count(warnings, "warning")),
    };
    out + "\n" + &paint.bold(&sum)
}
