//! Tests that pruning takes out the entries of bridges that are gone and leaves every other line as it is.

use std::collections::BTreeSet;

use super::*;

fn pruned(text: &str, gone: &[usize]) -> Pruned {
    prune(text, &gone.iter().copied().collect::<BTreeSet<_>>())
}

fn edited(text: &str, gone: &[usize]) -> String {
    pruned(text, gone).text.unwrap_or_else(|why| panic!("{why}: {text}"))
}

const COMMENTED: &str = "\
version: 1   # the only one
bridges:
    # Spring cleaning.
    remove:   # tombstones

      # two orphans
      - { customer_ref: a, bridge_id: 1, reason: \"x # y\" }   # saves $3.00 a month
      -   customer_ref: \"b\"
          # which was a demo
          bridge_id: 2
          reason: |
              many
              words

      # the churned ones
      - {customer_ref: c, bridge_id: 3,
         reason: churned}
      - { customer_ref: d, bridge_id: 4, reason: churned }
    keep: []
policy: { max_deletes: 4 }   # no more
";

#[test]
fn an_entry_goes_with_its_own_lines_and_no_other_line_changes() {
    let Pruned { lines, text } = pruned(COMMENTED, &[0, 2]);
    assert_eq!(lines, [7, 16]);
    let expected: Vec<&str> = COMMENTED
        .lines()
        .enumerate()
        .filter_map(|(nth, line)| (![7, 16, 17].contains(&(nth + 1))).then_some(line))
        .collect();
    assert_eq!(text.unwrap().lines().collect::<Vec<_>>(), expected);
    let text = edited(COMMENTED, &[1]);
    assert!(text.contains("a month\n\n      # the churned ones\n"), "{text}");
    assert!(!text.contains("which was a demo"), "a comment inside an entry is part of it: {text}");
    assert_eq!(edited(COMMENTED, &[]), COMMENTED);
}

#[test]
fn a_list_that_loses_all_entries_stays_an_empty_list() {
    let text = edited(COMMENTED, &[0, 1, 2, 3]);
    assert!(text.contains("    remove: []   # tombstones\n\n      # two orphans\n"), "{text}");
    assert!(text.contains("\n    keep: []\npolicy: { max_deletes: 4 }   # no more\n"), "{text}");
    let last = "bridges:\n  remove:\n  - { customer_ref: a, bridge_id: 1, reason: x }";
    assert_eq!(edited(last, &[0]), "bridges:\n  remove: []\n");
    let flow = "bridges: { remove: [\n  { customer_ref: a, bridge_id: 1, reason: x },\n] }\n";
    assert_eq!(edited(flow, &[0]), "bridges: { remove: [\n] }\n");
}

#[test]
fn lines_end_as_they_did_and_the_byte_order_mark_stays() {
    let text = "\u{feff}bridges:\r\n  remove:\r\n  - {customer_ref: ä, bridge_id: 1, reason: x}\r\n  - {customer_ref: b, bridge_id: 2, reason: x}\r\n";
    let expected = text.replace("  - {customer_ref: ä, bridge_id: 1, reason: x}\r\n", "");
    assert_eq!(edited(text, &[0]), expected);
    let expected = "\u{feff}bridges:\r\n  remove: []\r\n";
    assert_eq!(edited(text, &[0, 1]), expected);
}

#[test]
fn a_flow_list_with_a_line_for_each_entry_is_edited() {
    let text = "bridges:\n  remove: [\n    { customer_ref: a, bridge_id: 1, reason: x },  # one\n    { customer_ref: b, bridge_id: 2, reason: x }\n  ]\n";
    let expected = text.replace("    { customer_ref: a, bridge_id: 1, reason: x },  # one\n", "");
    assert_eq!(edited(text, &[0]), expected);
    let expected = text.replace("    { customer_ref: b, bridge_id: 2, reason: x }\n", "");
    assert_eq!(edited(text, &[1]), expected);
}

#[test]
fn a_list_that_cannot_be_edited_safely_is_left_alone_and_its_lines_are_known() {
    let entry = |name: &str, id: u8| format!("{{ customer_ref: {name}, bridge_id: {id}, reason: x }}");
    let (a, b) = (entry("a", 1), entry("b", 2));
    for (text, gone, lines) in [
        (format!("bridges:\n  remove: [ {a}, {b} ]\n"), &[0][..], &[2][..]),
        (format!("bridges:\n  remove: [ {a},\n    {b} ]\n"), &[1], &[3]),
        (format!("bridges:\n  remove:\n  - &one {a}\n  - {b}\n"), &[0], &[3]),
        (format!("bridges:\n  remove: &all\n  - {a}\n"), &[0], &[3]),
        ("bridges:\n  remove:\n  - customer_ref: &name a\n    bridge_id: 1\n    reason: x\n  - { customer_ref: *name, bridge_id: 2, reason: x }\n".to_owned(), &[0], &[3]),
        (format!("bridges: {{ remove: [{a}], keep: [] }}\n"), &[0], &[1]),
    ] {
        let pruned = pruned(&text, gone);
        assert_eq!(pruned.lines, lines, "{text}");
        pruned.text.unwrap_err();
    }
    // The anchor's entry stays, so the file can be edited.
    let text = "bridges:\n  remove:\n  - customer_ref: &name a\n    bridge_id: 1\n    reason: x\n  - { customer_ref: *name, bridge_id: 2, reason: x }\n";
    assert!(edited(text, &[1]).ends_with("    reason: x\n"));
}

/// One entry in one of the styles that have lines to themselves, with comments around it.
fn styled(id: usize, style: usize, pad: &str) -> String {
    match style {
        0 => format!("{pad}- {{ customer_ref: c{id}, bridge_id: {id}, reason: x }}\n"),
        1 => format!(
            "{pad}-  {{customer_ref: \"c{id}\", # which\n{pad}     bridge_id: {id}, reason: 'it''s # x'}}   # y\n"
        ),
        2 => format!(
            "{pad}# above {id}\n{pad}- customer_ref: c{id}   # a\n{pad}  bridge_id: {id}\n\n{pad}  reason: two\n{pad}    lines\n\n"
        ),
        3 => format!(
            "{pad}-\n{pad}  reason: >-\n{pad}    folded # no comment\n\n{pad}    text\n{pad}  bridge_id: {id}\n{pad}  customer_ref: c{id}\n"
        ),
        _ => format!(
            "{pad}- bridge_id: {id}\n{pad}  customer_ref: c{id}\n{pad}  reason: |\n{pad}    kept\n\n\n{pad}# below {id}\n"
        ),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// What is left says the same, and consists of lines of the old file.
    #[test]
    fn whatever_the_style_the_rest_stays(
        entries in proptest::collection::vec((0usize..5, proptest::bool::ANY), 1..6),
        pad in 1usize..7, crlf in proptest::bool::ANY, more in proptest::bool::ANY,
    ) {
        let pad = " ".repeat(pad);
        let list: String = entries.iter().enumerate().map(|(nth, (style, _))| styled(nth + 1, *style, &pad)).collect();
        let after = if more { " keep: []   # after\npolicy: { max_deletes: 1 }\n" } else { "" };
        let text = format!("# first\nbridges:\n webhook_url: none\n remove:   # here\n{list}{after}");
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let gone: BTreeSet<usize> =
            entries.iter().enumerate().filter(|(_, (_, gone))| *gone).map(|(nth, _)| nth).collect();
        let new = prune(&text, &gone).text;
        let new = new.map_err(proptest::test_runner::TestCaseError::fail)?;
        let mut expected: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let list = expected["bridges"]["remove"].as_sequence_mut().unwrap();
        let mut nth = 0..;
        list.retain(|_| !nth.next().is_some_and(|nth| gone.contains(&nth)));
        proptest::prop_assert_eq!(serde_yaml::from_str::<serde_yaml::Value>(&new).unwrap(), expected, "{}", new);
        let mut old = text.lines();
        for line in new.lines() {
            let line = line.replace(" remove: []", " remove:");
            proptest::prop_assert!(old.any(|old| old == line), "{line:?} of {new} is not in {text}");
        }
    }
}
