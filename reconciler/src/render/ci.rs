//! Writes a summary to GITHUB_STEP_SUMMARY and values to GITHUB_OUTPUT, if these variables are set, in every
//! format.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use uuid::Uuid;

use crate::ground::Exit;
use crate::model::{Differences, Error, Length, Outcome, Plan, Report, Status};
use crate::render::markdown;
use crate::render::stderr::warn;

/// GitHub drops the whole summary of a step if it is longer.
const SUMMARY_LIMIT: u64 = 1024 * 1024;

/// Names and values for later steps of the job.
type Outputs = Vec<(&'static str, String)>;

/// Writes the plan.
pub fn plan(plan: &Plan, exit: Exit) {
    hand_over(|| markdown::plan(plan, Length::Full.into()), || with(planned(plan), exit));
}

/// Writes the outcome of an apply. No report means that a guard refused the plan.
pub fn applied(plan: &Plan, report: Option<&Report>, exit: Exit) {
    let outputs = || {
        let mut outputs = planned(plan);
        let count = |outcome| report.map_or(0, |report| report.count(outcome)).to_string();
        outputs.push(("outcome", report.map_or("refused", |report| report.outcome()).to_owned()));
        outputs.push(("done", count(Outcome::Done)));
        outputs.push(("failed", count(Outcome::Failed)));
        outputs.push(("unknown", count(Outcome::Unknown)));
        outputs.push(("stale", report.map_or(0, Report::stale).to_string()));
        with(outputs, exit)
    };
    hand_over(|| markdown::applied(plan, report, Length::Full.into()), outputs);
}

/// Writes the drift.
pub fn drift(drift: &Differences, exit: Exit) {
    let outputs =
        || vec![("drift", drift.rows.len().to_string()), ("changes", (!drift.rows.is_empty()).to_string())];
    hand_over(|| markdown::drift(drift, Length::Full), || with(outputs(), exit));
}

/// Writes the stored state of the fleet.
pub fn status(status: &Status, exit: Exit) {
    let outputs = || {
        vec![
            ("bridges", status.bridges.to_string()),
            ("missing", status.missing.to_string()),
            ("monthly_cost", format!("{:.2}", status.monthly_cost)),
            ("monthly_waste", format!("{:.2}", status.monthly_waste)),
            ("last_run", status.last_run.as_ref().map_or("none", |run| &run.outcome).to_owned()),
        ]
    };
    hand_over(|| markdown::status(status), || with(outputs(), exit));
}

/// Writes that a verb failed.
pub fn failed(verb: &str, error: &Error) {
    hand_over(|| markdown::failed(verb, error), || with(Vec::new(), error.exit()));
}

fn planned(plan: &Plan) -> Outputs {
    vec![
        ("changes", plan.has_changes().to_string()),
        ("steps", plan.steps.len().to_string()),
        ("creates", plan.count("provision").to_string()),
        ("deletes", plan.count("delete").to_string()),
        ("refused", (!plan.refusals.is_empty()).to_string()),
        ("monthly_cost_change", format!("{:.2}", plan.monthly_cost.change)),
        ("plan_sha256", plan.plan_sha256.clone()),
    ]
}

fn with(mut outputs: Outputs, exit: Exit) -> Outputs {
    outputs.push(("exitcode", (exit as u8).to_string()));
    outputs
}

/// Writes to the files, if they are named. A failure is only a warning: it must not fail the job.
fn hand_over(summary: impl FnOnce() -> String, outputs: impl FnOnce() -> Outputs) {
    if let Some(file) = file("GITHUB_STEP_SUMMARY") {
        let written = append(&file, &format!("\n{}\n", summary()), SUMMARY_LIMIT);
        report("GITHUB_STEP_SUMMARY", written);
    }
    if let Some(file) = file("GITHUB_OUTPUT") {
        let lines: String = outputs().iter().map(|(name, value)| line(name, value)).collect();
        report("GITHUB_OUTPUT", append(&file, &lines, u64::MAX));
    }
}

fn file(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|file| !file.is_empty())
}

fn report(name: &str, written: io::Result<()>) {
    if let Err(error) = written {
        warn(&format!("cannot write to the file that {name} names: {error}"));
    }
}

/// `name=value`; a value of several lines is put between random delimiters that it cannot contain.
fn line(name: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{name}={value}\n");
    }
    let delimiter = Uuid::new_v4();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(out, "{name}<<{delimiter}\n{value}\n{delimiter}\n");
    out
}

/// Appends the text, after a line break if the last line has none.
fn append(file: &OsString, text: &str, limit: u64) -> io::Result<()> {
    let mut file: File = OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let length = file.metadata()?.len();
    let mut start = "";
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        start = if last == *b"\n" { "" } else { "\n" };
    }
    let text = format!("{start}{text}");
    if length.saturating_add(text.len().try_into().unwrap_or(u64::MAX)) > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file would be too long"));
    }
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_cannot_set_another_output() {
        assert_eq!(line("changes", "true"), "changes=true\n");
        let set = line("text", "a\nchanges=true");
        let delimiter = set.strip_prefix("text<<").unwrap().lines().next().unwrap();
        assert_eq!(delimiter.len(), 36);
        assert_eq!(set, format!("text<<{delimiter}\na\nchanges=true\n{delimiter}\n"));
    }

    #[test]
    fn the_old_text_stays_and_the_limit_is_kept() {
        let name = std::env::temp_dir().join(format!("wab-{}", Uuid::new_v4()));
        std::fs::write(&name, "theirs").unwrap();
        append(&name.as_os_str().to_owned(), "ours\n", 12).unwrap();
        let refused = append(&name.as_os_str().to_owned(), "more", 12);
        let text = std::fs::read_to_string(&name).unwrap();
        std::fs::remove_file(&name).unwrap();
        assert_eq!(text, "theirs\nours\n");
        assert!(refused.unwrap_err().to_string().contains("too long"));
    }
}
