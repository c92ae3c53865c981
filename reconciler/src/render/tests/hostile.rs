//! Tests with hostile text: in no format does it become a command, markup or a terminal sequence.

use super::formats::partly;
use super::*;
use crate::ground::harmless;
use crate::model::Error;
use crate::render::{github, markdown};

const HOSTILE: [&str; 12] = [
    "::error::x",
    "  ::set-output name=a::b",
    "\u{200b}:\u{ad}:warning::x",
    "##[error]x",
    "a##\u{200b}[add-mask]b",
    "a|b",
    "`@everyone`",
    "</details><script>",
    "-->\n<!-- wab:plan -->",
    "x\n::error::y\r\n::endgroup::",
    "%0A::error::z",
    "```\n# head\n",
];

fn plan_of(names: &[&str]) -> Plan {
    let kinds = [Kind::Missing, Kind::Unbound, Kind::StatusDrift, Kind::State, Kind::Orphaned];
    let drift = names
        .iter()
        .flat_map(|name| kinds.map(|kind| Drift { detail: (*name).to_owned(), ..row(kind, name, 5) }));
    let mut plan = planned(drift.collect(), "policy: { max_creates: 1 }");
    plan.refusals[0].message = names.concat();
    plan.notes = names.iter().map(|name| (*name).to_owned()).collect();
    plan
}

fn run_of(plan: &Plan) -> Report {
    let mut report = partly(plan);
    report
        .steps
        .iter_mut()
        .for_each(|step| (step.outcome, step.detail) = (Outcome::Failed, HOSTILE.concat()));
    report.end = RunEnd::Database(HOSTILE.concat());
    report
}

/// Whether the runner would treat the line as a command, judged as broadly as its comparison could be.
fn is_command(line: &str) -> bool {
    let seen: String = line.chars().filter(char::is_ascii).collect();
    seen.trim_start().starts_with("::") || seen.contains("##[")
}

#[test]
fn only_the_commands_of_wab_are_commands() {
    let plan = plan_of(&HOSTILE);
    let log = github::applied(&plan, Some(&run_of(&plan)), Length::Full.into());
    let (mut groups, mut annotations) = (0_i32, 0);
    for line in log.lines().filter(|line| is_command(line)) {
        match line {
            _ if line.starts_with("::group::") => groups += 1,
            "::endgroup::" => groups -= 1,
            _ => {
                let title =
                    line.strip_prefix("::error title=wab").or(line.strip_prefix("::warning title=wab"));
                assert!(title.is_some(), "{line}");
                annotations += 1;
            }
        }
        assert!((0..=1).contains(&groups), "{line}");
    }
    assert!(groups == 0 && annotations > 4, "{log}");
    assert!(log.contains("%250A") && !log.contains('\r'), "text that looks escaped is escaped again: {log}");
}

#[test]
fn no_line_of_any_other_format_is_a_command_either() {
    let plan = plan_of(&HOSTILE);
    let report = run_of(&plan);
    let drift: Vec<Drift> = HOSTILE.iter().map(|name| row(Kind::Missing, name, 1)).collect();
    for text in [
        text::plan(&plan, Paint::Plain, Length::Full.into()),
        outcome::report(&plan, &report, Paint::Plain),
        json::applied(&plan, Some(&report)),
        json::drift(&seen(&drift)),
        lists::drift(&drift, Paint::Plain, Length::Full),
        markdown::applied(&plan, Some(&report), Length::Full.into()),
    ] {
        let command = text.lines().find(|line| is_command(line));
        assert_eq!(command, None, "{text}");
    }
    let value: serde_json::Value = serde_json::from_str(&json::drift(&seen(&drift))).unwrap();
    assert_eq!(value["drift"][4]["customer_ref"], HOSTILE[4], "programs read the original text");
}

#[test]
fn markdown_keeps_its_shape() {
    let hostile = plan_of(&HOSTILE);
    let names: Vec<String> = (0..HOSTILE.len()).map(|n| format!("name{n:02}")).collect();
    let tame = plan_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let tags = |plan: &Plan, report: &Report| {
        let text = markdown::applied(plan, Some(report), Length::Full.into());
        let shape =
            |line: &str| line.starts_with(['|', '<', '#', '>', '-', '`']).then(|| line.matches('|').count());
        (
            text.lines().filter(|line| line.starts_with('<')).map(str::to_owned).collect::<Vec<_>>(),
            text.lines().filter_map(shape).collect::<Vec<_>>().len(),
            text,
        )
    };
    let mut quiet = run_of(&tame);
    quiet.end = RunEnd::Interrupted;
    quiet.steps.iter_mut().for_each(|step| step.detail = "x".into());
    let (html, _, text) = tags(&hostile, &run_of(&hostile));
    let (tame_html, _, _) = tags(&tame, &quiet);
    assert_eq!(html, tame_html, "{text}");
    assert_eq!(text.matches("<!--").count(), 1);
    // Outside of code there is no mention, and no HTML except wab's own.
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(line.split('`').step_by(2).all(|prose| !prose.contains(['@', '<', '\\'])), "{line}");
        assert_eq!(line.matches('`').count() % 2, 0, "{line}");
    }
}

#[test]
fn an_error_is_shown_safely() {
    let error = Error::config(HOSTILE.join("\n"), "```\n@all");
    let text = markdown::failed("plan", &error);
    assert!(text.starts_with("<!-- wab:plan -->\n### wab plan\n"), "{text}");
    assert!(text.contains("(exit 1)") && text.trim_end().ends_with("````"), "{text}");
    assert!(!text.lines().any(is_command), "{text}");
    assert!(markdown::failed("plan", &Error::config("é".repeat(50_000), "")).len() < 10_000);
}

#[test]
fn harmless_text_stays_as_it_is() {
    for text in ["id::text", "a: b", "[x]", "# [x]", "10:30"] {
        assert_eq!(harmless(text), text);
    }
    assert_eq!(harmless("::error::x"), "\\u{3a}:error::x");
    assert_eq!(harmless("##[error]"), "##\\u{5b}error]");
}
