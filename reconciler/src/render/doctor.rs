//! Renders the checks of `wab doctor`.

use std::fmt::Write;

use crate::ground::{count, harmless};
use crate::model::{Check, Verdict};
use crate::render::command::command;
use crate::render::github::lines;
use crate::render::markdown::{code, marker};
use crate::render::words::Paint;

/// All checks, one line each with its hint below, and their summary.
pub fn text(checks: &[Check], paint: Paint) -> String {
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
    out + "\n" + &paint.bold(&sum(checks))
}

/// The text, and an annotation for each problem and warning.
pub fn github(checks: &[Check]) -> String {
    let mut out = lines(&text(checks, Paint::Plain));
    for (check, level) in checks.iter().filter_map(|check| Some((check, level(check.verdict)?))) {
        let hint = check.hint.as_ref().map_or(String::new(), |hint| format!("\n{hint}"));
        let title = format!("wab doctor: {}", check.check);
        let _ = writeln!(out, "{}", command(level, &title, &format!("{}{hint}", check.says)));
    }
    out
}

/// A list of the checks, those with a problem first.
pub fn markdown(checks: &[Check]) -> String {
    let mut out = format!("{}### wab doctor\n\n**{}**\n\n", marker("doctor"), sum(checks));
    for verdict in [Verdict::Problem, Verdict::Warning, Verdict::Ok, Verdict::Skipped] {
        for check in checks.iter().filter(|check| check.verdict == verdict) {
            let word = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "**warning**",
                Verdict::Problem => "**problem**",
                Verdict::Skipped => "skipped",
            };
            let hint = check.hint.as_ref().map_or(String::new(), |hint| format!("<br>→ {}", code(hint)));
            let _ = writeln!(out, "- {word}, {}: {}{hint}", check.check, code(&check.says));
        }
    }
    out
}

fn sum(checks: &[Check]) -> String {
    let of = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    match (of(Verdict::Problem), of(Verdict::Warning)) {
        (0, 0) => "All is well.".to_owned(),
        (0, warnings) => format!("No problem, {}.", count(warnings, "warning")),
        (problems, warnings) => format!("{}, {}.", count(problems, "problem"), count(warnings, "warning")),
    }
}

/// The level of its annotation.
fn level(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Problem => Some("error"),
        Verdict::Warning => Some("warning"),
        Verdict::Ok | Verdict::Skipped => None,
    }
}
