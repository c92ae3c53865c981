//! Tests of the JSON Schema: the committed file is current, and it accepts the same files as `wab`.

use std::path::Path;

use serde_json::Value;

use super::parse;
use crate::config::fleet::Fleet;
use crate::config::shape::schema;

const EXAMPLE: &str = include_str!("../../../../fleet.yaml.example");

/// The complaints of an editor.
fn complaints(yaml: &str) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json: Value = serde_yaml::from_str(yaml).unwrap();
    validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let committed = include_str!("../../../../fleet.schema.json");
    assert_eq!(committed, format!("{:#}\n", schema()), "run: wab schema > fleet.schema.json");
}

/// A commented-out key, without its `#`.
fn uncommented(line: &str) -> Option<String> {
    let (indent, rest) = line.split_once("# ")?;
    let (key, _) = rest.split_once(": ")?;
    let is_key =
        indent.trim().is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_key.then(|| format!("{indent}{rest}"))
}

#[test]
fn the_example_fits_with_and_without_its_commented_keys() {
    assert!(EXAMPLE.starts_with("# yaml-language-server: $schema="));
    assert_eq!(complaints(EXAMPLE), [""; 0]);
    let keys = EXAMPLE.lines().filter_map(uncommented).count();
    assert_eq!(
        keys, 28,
        "api_key_file, key_fingerprint, ca_file, proxy, schema, customer_refs, two graces and the phone of tenants, webhook_secret_file, status_words, seventeen of wab_policy"
    );
    let all: String =
        EXAMPLE.lines().map(|line| uncommented(line).unwrap_or(line.to_owned()) + "\n").collect();
    assert_eq!(complaints(&all), [""; 0]);
    let one_key: String =
        all.lines().filter(|line| !line.contains("api_key_env:")).map(|line| format!("{line}\n")).collect();
    let fleet = parse(&one_key).unwrap();
    assert!(!fleet.account.key_fingerprints.is_empty() && fleet.account.ca_file.is_some());
    assert_eq!(
        fleet.account.api_key,
        crate::config::fleet::KeySource::File("/run/secrets/wa_api_key".into())
    );
}

#[test]
fn the_example_has_every_key() {
    fn keys(schema: &Value, found: &mut Vec<String>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            found.push(name.clone());
            keys(schema, found);
            keys(&schema["items"], found);
        }
    }
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    assert!(found.len() > 30, "{found:?}");
    for key in found {
        assert!(EXAMPLE.contains(&format!("{key}:")), "{key}");
    }
}

#[test]
fn a_key_with_nothing_behind_it_is_an_error_wherever_it_stands() {
    /// The paths of all keys, with `[0]` for the entries of a list.
    fn paths(schema: &Value, at: &str, found: &mut Vec<String>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            found.push(path.clone());
            paths(schema, &path, found);
            paths(&schema["items"], &format!("{path}[0]"), found);
        }
    }
    /// A text with this key only.
    fn with_blank(path: &str, blank: &str) -> String {
        let mut steps = path.rsplit('.');
        let inner = format!("{}:{blank}", steps.next().unwrap());
        let text = steps.fold(inner, |inner, step| match step.strip_suffix("[0]") {
            Some(list) => format!("{list}: [ {{ {inner} }} ]"),
            None => format!("{step}: {{ {inner} }}"),
        });
        let version = if path == "version" { "" } else { "version: 1, " };
        format!("{{ {version}{text} }}")
    }
    let mut found = Vec::new();
    paths(&schema(), "", &mut found);
    assert!(found.len() > 40, "{found:?}");
    for path in found {
        let name = path.rsplit('.').next().unwrap();
        let said = format!("{name} says nothing: give it a value or leave the key out");
        for blank in ["", " ~", " null"] {
            let text = with_blank(&path, blank);
            let problems = super::problems(&text);
            assert!(problems.iter().any(|problem| problem.contains(&said)), "{text}: {problems:?}");
            assert!(!complaints(&text).is_empty(), "an editor must refuse it too: {text}");
        }
    }
}

#[test]
fn the_defaults_it_names_are_the_defaults() {
    fn filled(schema: &Value) -> Value {
        let keys = schema["properties"].as_object().into_iter().flatten().filter_map(|(name, schema)| {
            let value =
                if schema["properties"].is_object() { filled(schema) } else { schema["default"].clone() };
            (!value.is_null() && name != "tenants").then(|| (name.clone(), value))
        });
        Value::Object(keys.collect())
    }
    let mut all = filled(&schema());
    all["version"] = 1.into();
    assert_eq!(all["policy"]["max_creates"], 10);
    let fleet = |text: &str| format!("{:?}", Fleet { sha256: String::new(), ..parse(text).unwrap() });
    assert_eq!(fleet(&all.to_string()), fleet("version: 1"));
    let tenants = |text: &str| format!("{:?}", parse(text).unwrap().tenants);
    let mut named = filled(&schema()["properties"]["tenants"]);
    named["table"] = "t".into();
    assert_eq!(
        tenants(&format!("{{ version: 1, tenants: {named} }}")),
        tenants("{ version: 1, tenants: { table: t } }")
    );
}

#[test]
fn an_editor_refuses_the_same_files_as_wab() {
    let in_section = |path: &str, value: &str| {
        let (section, key) = path.split_once('.').unwrap();
        let others = if section == "tenants" && key != "table" { "table: t, " } else { "" };
        format!("{{ version: 1, {section}: {{ {others}{key}: {value} }} }}")
    };
    for (path, right, wrong) in [
        ("account.api_url", vec!["https://x.example", "http://localhost:1"], vec!["x", "[]", "true"]),
        ("account.api_key_env", vec!["_A9", "SK"], vec!["sk_x", "9A", "A-B", "''"]),
        ("account.api_key_file", vec!["/k", "k.txt"], vec!["''", "{}"]),
        ("account.key_fingerprint", vec!["3f9c0d5be1a57781", "1234567890123456"], vec!["3f9c", "g"]),
        (
            "account.limits",
            vec!["{ proxy: 1/1s, other: 10/500ms }", "{}"],
            vec!["1", "~", "{ proxy: 1 }", "{ x: 1 }"],
        ),
        ("database.url_env", vec!["DATABASE_URL"], vec!["postgres://h/d"]),
        ("tenants.table", vec!["public.t", "7"], vec!["''", "~"]),
        ("tenants.wanted", vec!["\"status = 'active'\""], vec!["''", "true"]),
        (
            "bridges.webhook_url",
            vec!["'https://x.example/{tenant_id}'", "none"],
            vec!["ftp://x", "'https://x/{id}'", "'https://x/a b'", "\"https://x/\\u0085a\""],
        ),
        (
            "bridges.extra",
            vec!["[]", "[ { tenant_id: a, reason: b } ]"],
            vec!["~", "[ { tenant_id: a } ]", "a", "[ a ]"],
        ),
        (
            "bridges.keep",
            vec!["[ { customer_ref: 42, reason: b, until: 2027-01-31 } ]"],
            vec!["[ { customer_ref: 1.10, reason: b } ]", "[ { customer_ref: a, reason: b, until: soon } ]"],
        ),
        (
            "bridges.remove",
            vec!["[ { customer_ref: a, bridge_id: 7, reason: b } ]"],
            vec![
                "[ { customer_ref: a, bridge_id: 0, reason: b } ]",
                "[ { customer_ref: a, bridge_id: x, reason: b } ]",
            ],
        ),
        (
            "bridges.status_words",
            vec!["[]", "[ { word: on line, status: paired }, { word: 7, status: unknown } ]"],
            vec!["~", "[ { word: a } ]", "[ { word: a, status: connected } ]", "{ a: paired }"],
        ),
        ("policy.max_creates", vec!["0", "50", "10%", "'7'"], vec!["-1", "many", "ten%"]),
        ("policy.min_observed", vec!["0", "3"], vec!["-1", "10%"]),
        ("policy.renamed_tenants", vec!["0", "3"], vec!["-1", "10%"]),
        ("policy.max_monthly_cost", vec!["3000.00", "0", "'3.5'"], vec!["-1"]),
        ("policy.rate_budget", vec!["100%", "7 %"], vec!["100", "half"]),
        ("policy.disconnected_after", vec!["15m", "0s", "1h 30m"], vec!["soon", "-1m", "15"]),
        ("policy.awaiting_scan_after", vec!["24h"], vec!["1 fortnight"]),
        ("policy.state_after", vec!["5m"], vec!["five"]),
        ("policy.unmapped_after", vec!["5m"], vec!["5 q"]),
        ("policy.silent_after", vec!["48h"], vec!["never"]),
        ("policy.phone_changed_for", vec!["7d", "0s"], vec!["1 fortnight"]),
        (
            "policy.board_url",
            vec!["https://board.example.com", "'http://10.0.0.5:8787/'", "'https://[::1]'"],
            vec![
                "board.example.com",
                "'ftp://board.example.com'",
                "'https://b.example.com/?x'",
                "'https://b.example.com/#x'",
                "'https://:80'",
                "'https://b.example.com/wab'",
            ],
        ),
        (
            "policy.pairing_url",
            vec![
                "https://pair.example.com/p",
                "'https://pair.example.com:8443/a/b/p'",
                "'https://[2001:db8::1]:443/p'",
                "'http://localhost:8788/p'",
                "'http://[::1]/p'",
            ],
            vec![
                "pair.example.com",
                "http://pair.example.com/p",
                "'http://localhost.example.com/p'",
                "'https://pair.example.com/p#x'",
                "'https://pair.example.com/p/'",
                "'https://pair.example.com'",
                "'https://pair.example.com/pair'",
                "'https://pair.example.com//p'",
                "'https://pair.example.com/p?x'",
                "'https://pair.example.com/a b'",
                "'https://me:secret@pair.example.com/p'",
                "'https://pair.example.com:port/p'",
                "'https://pair.example.com:/p'",
                "'https:///p'",
                "'https://[]/p'",
                "https://pär.example.com/p",
            ],
        ),
    ] {
        for value in right {
            let text = in_section(path, value);
            assert_eq!(complaints(&text), [""; 0], "{text}");
            assert!(
                crate::config::fleet::Fleet::parse(&text, Path::new("f")).is_ok(),
                "{text}: {:?}",
                super::problems(&text)
            );
        }
        for value in wrong {
            let text = in_section(path, value);
            assert!(!complaints(&text).is_empty() && parse(&text).is_err(), "{text}");
        }
    }
}
