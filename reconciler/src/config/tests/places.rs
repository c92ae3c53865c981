//! Tests of the places of problems, in every style of YAML.

use std::path::Path;

use crate::config::inspect::inspect;

/// `line:column-end: path: what` of each problem.
fn places(text: &str) -> Vec<String> {
    let said = |problem: crate::config::problem::Problem| {
        let place = &problem.place;
        format!("{}:{}-{} {}: {}", place.line, place.column, place.end_column, problem.at, problem.what)
    };
    inspect(text, Path::new("f")).problems.into_iter().map(said).collect()
}

/// Each text has a problem that begins with this.
fn each(table: &[(&str, &str)]) {
    for (text, place) in table {
        let found = places(text);
        assert!(found.iter().any(|problem| problem.starts_with(place)), "{text:?}: {found:#?}");
    }
}

#[test]
fn keys_and_values_are_placed_in_every_style() {
    each(&[
        ("version: 1\npolicy:\n  max_create: 5\n", "3:3-13 policy.max_create: unknown key"),
        ("version: 1\npolicy: { max_create: 5 }", "2:11-21 policy.max_create: "),
        ("version: 1\nwantd: active\n", "2:1-6 wantd: unknown key \"wantd\": did you mean tenants.wanted?"),
        ("version: 1\nurl_env: X\n", "2:1-8 url_env: unknown key \"url_env\": did you mean alerts.url_env?"),
        (
            "version: 1\nbridges:\n  keep:\n    - { customer_ref: a }\n",
            "4:7-26 bridges.keep[0].reason: reason is",
        ),
        (
            "version: 1\nbridges:\n  keep:\n    - customer_ref: a\n",
            "4:7-22 bridges.keep[0].reason: reason is",
        ),
        ("version: 1\nbridges:\n  keep:\n  -\n", "4:"),
        ("version: 1\ntenants:\n\n  wanted: x\n", "2:1-8 tenants.table: table is missing"),
        (
            "version: 1\npolicy: { max_creates: [1] }\n",
            "2:24-27 policy.max_creates: must be a text or a number",
        ),
        ("version: 1\npolicy:\n  max_creates:\n    a: b\n", "4:5-9 policy.max_creates: must be"),
        ("version: 1\npolicy: { max_creates: 'x' }  # c\n", "2:24-27 policy.max_creates: \"x\""),
        ("version: 1\npolicy: { max_creates: 'x''y' }\n", "2:24-30 policy.max_creates: \"x'y\""),
        ("version: 1\npolicy: { max_creates: \"x\\\"\" }\n", "2:24-29 policy.max_creates: "),
        ("version: 1\npolicy:\n  max_creates: x\n    y\n", "3:16-17 policy.max_creates: \"x y\""),
        ("version: 1\npolicy:\n  max_creates: |\n    x\n", "4:5-6 policy.max_creates: \"x\""),
        ("version: 1\nversion: 1\n", "2:1-8 version: \"version\" is given already, in line 1"),
        ("version: ~\n", "1:10-11 version: version says nothing: give it a value or leave the key out"),
        ("version:\n", "1:1-8 version: version says nothing: give it a value or leave the key out"),
        ("version: 1\n? [a]\n: b\n", "2:3-4 : a key must be a text"),
        ("version: !x 1\n", "1:13-14 version: tags are not allowed"),
        ("version: 1\n<<: { a: 1 }\n", "2:1-3 <<: unknown key"),
    ]);
}

#[test]
fn columns_count_characters_in_every_encoding_of_lines() {
    each(&[
        ("version: 1\npolicy: { é日: 1, x: 1 }\n", "2:18-19 policy.x: "),
        ("version: 1\r\n\r\npolicy: { x: 1 }\r\n", "3:11-12 policy.x: "),
        ("version: 1\rpolicy: { x: 1 }\r", "2:11-12 policy.x: "),
        ("\u{feff}version: 1\nx: 1", "2:1-2 x: "),
        ("\u{feff}x: 1\nversion: 1", "1:1-2 x: "),
        ("version: 1\npolicy: {\tx: 1 }\n", "2:11-12 policy.x: "),
    ]);
    assert!(inspect("\u{feff}version: 1\r\n", Path::new("f")).fleet.is_some());
}

#[test]
fn aliases_stand_for_the_values_of_their_anchors() {
    let text = "version: 1\nbridges:\n  keep: [ &a { customer_ref: a, reason: &r r } ]\n  extra: [ { tenant_id: b, reason: *r } ]\n";
    let fleet = inspect(text, Path::new("f")).fleet.unwrap();
    assert_eq!((&*fleet.keep[0].reason, &*fleet.extra[0].reason), ("r", "r"));
    each(&[
        ("version: 1\npolicy: { max_creates: &x y, max_deletes: *x }\n", "2:27-28 policy.max_deletes: \"y\""),
        ("version: 1\naccount: &a [ *a ]\n", "2:15-17 : this alias is inside"),
        ("version: 1\naccount: *a\n", "2:10"),
    ]);
    let nine = ["*x"; 9].join(",").replace('x', "{}");
    let bomb: String = ('b'..='j')
        .zip('a'..)
        .map(|(name, below)| format!("{name}: &{name} [{}]\n", nine.replace("{}", &below.to_string())))
        .collect();
    each(&[(&format!("a: &a [x,x,x,x,x,x,x,x,x]\n{bomb}"), "6:8-10 : the aliases up to here")]);
    let chain: String = (0..100).map(|n| format!("a{}: &a{} [*a{n}]\n", n + 1, n + 1)).collect();
    each(&[(&format!("a0: &a0 [x]\n{chain}"), "32:12-16 : the aliases up to here")]);
}

#[test]
fn a_text_that_is_not_a_fleet_has_one_problem() {
    for (text, said) in [
        ("", "1:1-1 : the file is empty"),
        ("\n\n# nothing\n", "1:1-1 : the file is empty"),
        ("---\n", "1:1-1 : the file is empty"),
        ("- version: 1\n", "1:1-13 : must be a section with keys of its own, not a list"),
        ("version\n", "1:1-8 : must be a section with keys of its own, not a text"),
        ("version: [1\n", "1:12-12 : this is not YAML: "),
        ("version: 'x\n\n\n", "1:10-11 : this is not YAML: "),
        ("version: 1\n\tx: 1\n", "2:1-1 : this is not YAML: "),
        ("\tversion: 1\n", "1:2-9 : this is not YAML: indent with spaces"),
        ("version: 1\n\0x: 1\n", "2:1-2 : YAML does not allow the character \\u{0}"),
        ("version: \u{1b}[2J\n", "1:10-11 : YAML does not allow the character \\u{1b}"),
        ("version: 1\n---\nversion: 2\n", "2:1-4 : a second document begins here"),
    ] {
        let found = places(text);
        assert!(found.len() == 1 || text.starts_with("---"), "{text:?}: {found:?}");
        assert!(found[0].starts_with(said), "{text:?}: {found:?}");
    }
}

#[test]
fn deep_nesting_is_refused_and_size_is_not() {
    for opening in ["[", "- ", "{a: ", "? ", "{? "] {
        let found = places(&opening.repeat(200_000));
        assert!(
            found.len() == 1 && ["levels deep", "recursion limit"].iter().any(|said| found[0].contains(said)),
            "{opening}: {found:?}"
        );
    }
    let entries: String =
        (0..20_000).map(|n| format!("  - {{ customer_ref: c{n}, reason: some reason }}\n")).collect();
    let text = format!("version: 1\nbridges:\n  keep:\n{entries}");
    assert_eq!(inspect(&text, Path::new("f")).fleet.unwrap().keep.len(), 20_000);
    assert_eq!(places(&text.replace("reason:", "raeson:")).len(), 40_000);
}
