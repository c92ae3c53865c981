//! Tests of the report on a wrong file, in all three formats.

use std::path::Path;

use crate::config::inspect::inspect;
use crate::model::Colour;
use crate::render::problems::{self, Weight};
use crate::render::screen::Screen;

/// The report for a terminal.
pub fn rendered(text: &str) -> String {
    let problems = inspect(text, Path::new("fleet.yaml")).problems;
    Screen::new(Colour::Never).problems("fleet.yaml", &problems)
}

const WRONG: &str = "\
versoin: 1
account: { api_key_env: sk_live_secret, api_ur: https://x.example/secret }
database: {}
tenants:
  wanted: 'x'   # who
bridges:
  webhook_url: https://x.example/secret/{tenant}
  keep:
    - { customer_ref: 'é日本', reason: r, until: tomorrow }
    - customer_ref: 0x1F
      reason: true
    - foo
    - { customer_ref: \"b\\u001b\", reason: ok, tenant_id: b }
    - { customer_ref: kept, reason: ok }
  remove:
    - { customer_ref: kept, bridge_id: 1, reason: r }
    - { customer_ref: other, bridge_id: 1, reason: r }
max_creates: 3
policy:
  max_creates: [1]
  max_creates: 5
";

#[test]
fn people_see_each_problem_under_its_line() {
    insta::assert_snapshot!(rendered(WRONG), @r#"
    error: fleet.yaml:1:1: version is missing
      |
    1 | versoin: …
      | ^ version

    error: fleet.yaml:1:1: unknown key "versoin": did you mean version?
      |
    1 | versoin: …
      | ^^^^^^^ versoin

    error: fleet.yaml:2:25: must be the name of an environment variable, not its value: letters, digits and _ only
      |
    2 | account: { api_key_env: …, api_ur: … }
      |                         ^ account.api_key_env

    error: fleet.yaml:2:41: unknown key "api_ur": did you mean api_url?
      |
    2 | account: { api_key_env: …, api_ur: … }
      |                            ^^^^^^ account.api_ur

    error: fleet.yaml:4:1: table is missing
      |
    4 | tenants:
      | ^^^^^^^ tenants.table

    error: fleet.yaml:7:16: the only placeholders are {tenant_id} and {secret}
      |
    7 |   webhook_url: …
      |                ^ bridges.webhook_url

    error: fleet.yaml:9:48: "tomorrow" is not a date: write it like 2027-01-31
      |
    9 |     - { customer_ref: 'é日本', reason: r, until: tomorrow }
      |                                                  ^^^^^^^^ bridges.keep[0].until

    error: fleet.yaml:10:21: YAML parsers read this number in different ways: put it in quotes
       |
    10 |     - customer_ref: 0x1F
       |                     ^^^^ bridges.keep[1].customer_ref

    error: fleet.yaml:11:15: must be a text or a number, not true or false
       |
    11 |       reason: true
       |               ^^^^ bridges.keep[1].reason

    error: fleet.yaml:12:7: must be a section with keys of its own, not a text
       |
    12 |     - …
       |       ^ bridges.keep[2]

    error: fleet.yaml:13:46: unknown key "tenant_id": known here are customer_ref, reason, until
       |
    13 |     - { customer_ref: "b\u001b", reason: ok, tenant_id: … }
       |                                              ^^^^^^^^^ bridges.keep[3].tenant_id

    error: fleet.yaml:16:23: kept is kept by bridges.keep[4]: remove one of the two entries
       |
    16 |     - { customer_ref: kept, bridge_id: 1, reason: r }
       |                       ^^^^ bridges.remove[0].customer_ref

    error: fleet.yaml:17:41: bridge 1 is named already, in bridges.remove[0]
       |
    17 |     - { customer_ref: other, bridge_id: 1, reason: r }
       |                                         ^ bridges.remove[1].bridge_id

    error: fleet.yaml:18:1: unknown key "max_creates": did you mean policy.max_creates?
       |
    18 | max_creates: …
       | ^^^^^^^^^^^ max_creates

    error: fleet.yaml:20:16: must be a text or a number, not a list
       |
    20 |   max_creates: …
       |                ^ policy.max_creates

    error: fleet.yaml:21:3: "max_creates" is given already, in line 20
       |
    21 |   max_creates: …
       |   ^^^^^^^^^^^ policy.max_creates
    "#);
}

#[test]
fn github_gets_annotations_and_programs_an_array() {
    let text = "version: 1\npolicy: { max_deletes: 101%, rate: 1 }\n";
    let problems = inspect(text, Path::new("a,b:c.yaml")).problems;
    let said = [(Weight::Error, &*problems), (Weight::Note, &problems[..1])];
    insta::assert_snapshot!(problems::github("a,b:c.yaml", &said), @r#"
    ::error file=a%2Cb%3Ac.yaml,line=2,endLine=2,col=24,endColumn=27,title=policy.max_deletes::"101%25" is neither a whole number nor a percentage: write 50 or 10%25
    ::error file=a%2Cb%3Ac.yaml,line=2,endLine=2,col=30,endColumn=33,title=policy.rate::unknown key "rate": did you mean rate_budget?
    ::notice file=a%2Cb%3Ac.yaml,line=2,endLine=2,col=24,endColumn=27,title=policy.max_deletes::"101%25" is neither a whole number nor a percentage: write 50 or 10%25
    "#);
    insta::assert_snapshot!(problems::json("a,b:c.yaml", &said[..1]), @r#"
    [
      {
        "severity": "error",
        "file": "a,b:c.yaml",
        "line": 2,
        "column": 24,
        "end_column": 28,
        "path": "policy.max_deletes",
        "message": "\"101%\" is neither a whole number nor a percentage: write 50 or 10%"
      },
      {
        "severity": "error",
        "file": "a,b:c.yaml",
        "line": 2,
        "column": 30,
        "end_column": 34,
        "path": "policy.rate",
        "message": "unknown key \"rate\": did you mean rate_budget?"
      }
    ]
    "#);
    assert_eq!(problems::json("f", &[]), "[]");
    assert_eq!(problems::github("f", &[]), "");
}

#[test]
fn a_line_break_ends_no_annotation() {
    let problems = inspect("version: \"1\\r\\n::error::x\"\n", Path::new("f")).problems;
    let shown = problems::github("f\n", &[(Weight::Error, &problems)]);
    assert!(shown.starts_with("::error file=f%0A,line=1,") && shown.lines().count() == 1, "{shown}");
}

#[test]
fn no_secret_is_shown_beside_any_other_problem() {
    for text in [
        "account: { api_key_env: sk_live_1secret, x: 1 }",
        "account: { api_key_env: [sk_live_1secret, secret] }",
        "account: { api_key: secret }",
        "account: { api_key: { a: b, c: secret } }",
        "account: secret",
        "account: [secret]",
        "account: { api_key_file: sk_1secret }",
        "account: { sk_1secret }",
        "sk_1secret: a",
        "account:\n  api_key_env: a\n  api_key_env: secret",
        "database: { url_env: 'postgres://u:secret@h/d', x: 1 }",
        "database: { url: 'postgres://u:secret@h/d' }",
        "database: postgres://u:secret@h/d",
        "database: { url_env: 'host=h password=secret', schema: '' }",
        "bridges: { webhook_url: https://h/secret/{x}, extra: x }",
        "bridges: { webhook_url: ftp://h/secret }",
        "bridges: { webhook_url: [ https://h/secret ] }",
        "bridges: { webhook_url: https://h/secret, extra: [",
        "account: { api_key_env: \"secret",
        "account: { api_key_env: sk_secret",
        "database: { url: postgres://u:secret@h/d",
        "policy: { rate_budget: sk_1secret }",
        "version: sk_1secret",
    ] {
        let file =
            if text.starts_with("version") { text.to_owned() } else { format!("version: 1\n{text}\n") };
        let problems = inspect(&file, Path::new("f")).problems;
        let said = [(Weight::Error, &*problems)];
        let shown = [rendered(&file), problems::github("f", &said), problems::json("f", &said)];
        assert!(!problems.is_empty() && !shown.concat().contains("secret"), "{text}: {shown:#?}");
    }
}

#[test]
fn characters_that_control_a_terminal_are_escaped() {
    let shown = rendered("version: 1\nx\u{202e}y: 1\n");
    assert!(shown.contains("\\u{202e}") && !shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn long_lines_and_long_lists_are_cut() {
    let long = "a".repeat(100_000);
    let shown = rendered(&format!("version: 1\npolicy: {{ x: {long}, max_deletes: z, {long}: 1 }}\n"));
    assert!(shown.lines().all(|line| line.chars().count() < 500), "{shown}");
    let many: String = (0..600).map(|n| format!("k{n}: 1\n")).collect();
    let shown = rendered(&format!("version: 1\n{many}"));
    assert!(shown.ends_with("… and 100 more problems"), "{shown}");
}

#[test]
fn a_keep_that_has_expired_is_noted_from_the_next_day_on() {
    let text = "version: 1\nbridges:\n  keep:\n    - { customer_ref: a, reason: r, until: 2026-03-01 }\n";
    let notes = |day: &str| inspect(text, Path::new("f")).notes(day.parse().unwrap());
    assert_eq!(notes("2026-03-01"), []);
    insta::assert_snapshot!(
        Screen::new(Colour::Never).notes("f", &notes("2026-03-02")),
        @r#"
    note: f:4:44: a is no longer kept: 2026-03-01 has passed, so it is reported as drift again
      |
    4 |     - { customer_ref: a, reason: r, until: 2026-03-01 }
      |                                            ^^^^^^^^^^ bridges.keep[0].until
    "#
    );
}
