//! docs/fleet-yaml.md: every key of fleet.yaml, from its JSON Schema, and fleet.yaml.example.

use std::process::Command;

use anyhow::{Context, Result};
use e2e::process;
use serde_json::{Map, Value};

use super::generated::{self, MARK, cell};
use super::page::root;

const HEAD: &str = "
`fleet.yaml` says what the fleet should be: how `wab` reads your tenants table, which bridges are exceptions, and how far one plan may go.
`wab init` writes a first one. Only `version` is required; unknown keys are errors. `wab validate` checks the file without network and
database, and shows [every mistake with its place](troubleshooting.md#mistakes-in-fleetyaml).

- Ids are texts. Put an id that looks like a number in quotes, unless it is a plain one such as 42.
- `extra` and `keep` become rows of `wab_declared` at the next `wab apply`; entries that the file no longer declares are removed from there.
- [drift.md](drift.md#the-words) explains *wanted*, *extra*, *kept* and *tombstone*.
- Editors with the YAML language server check and complete the file when its first line is `# yaml-language-server: $schema=./fleet.schema.json`;
  `wab schema > fleet.schema.json` writes the schema, from which these tables are made, too.
";

/// The sections in the order of fleet.yaml.example.
const SECTIONS: [&str; 7] = ["version", "account", "database", "tenants", "bridges", "policy", "alerts"];

/// What a value may be, in a word or two.
fn kind(key: &Map<String, Value>) -> String {
    let types = key["type"].to_string();
    let (shares, counts) =
        (key.get("pattern").is_some_and(|p| p.to_string().contains("%?")), key.contains_key("minimum"));
    if let Some(values) = key.get("enum").and_then(Value::as_array) {
        let texts: Vec<_> = values.iter().filter_map(Value::as_str).map(|text| format!("`{text}`")).collect();
        return texts.join(", ");
    }
    match (counts, shares) {
        _ if types.contains("array") && types.contains("string") => "text, or a list of texts".to_owned(),
        _ if types.contains("array") => "list".to_owned(),
        _ if types.contains("integer") => "id".to_owned(),
        (true, true) => "number or percentage".to_owned(),
        (true, false) => "number".to_owned(),
        (false, _) => "text".to_owned(),
    }
}

/// A row for each key below this one.
fn rows(section: &Value, prefix: &str, rows: &mut Vec<String>) -> Result<()> {
    let required: Vec<_> =
        section["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, key) in section["properties"].as_object().context("no keys")? {
        let (path, key) = (format!("{prefix}{name}"), key.as_object().context("no key")?);
        let meaning = key
            .get("description")
            .and_then(Value::as_str)
            .with_context(|| format!("{path} has no meaning"))?;
        if key.contains_key("properties") {
            rows.push(format!("| `{path}` | section | {} |  |\n", cell(meaning)));
            self::rows(&Value::Object(key.clone()), &format!("{path}."), rows)?;
            continue;
        }
        // A default that is no plain value stands at the end of the meaning.
        let (meaning, in_words) = meaning.split_once("Default: ").unwrap_or((meaning, ""));
        let default = match key.get("default") {
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(other) => format!("`{other}`"),
            None => cell(in_words.trim_end_matches('.')),
        };
        rows.push(format!("| `{path}` | {} | {} | {default} |\n", kind(key), cell(meaning)));
        if let Some(items) = key.get("items").filter(|items| items.get("properties").is_some()) {
            self::rows(items, &format!("{path}[]."), rows)?;
        }
    }
    Ok(())
}

fn table(section: &Value) -> Result<String> {
    let mut lines = Vec::new();
    rows(section, "", &mut lines)?;
    Ok(format!("\n| key | value | meaning | default |\n|---|---|---|---|\n{}", lines.concat()))
}

fn page() -> Result<String> {
    let mut wab = Command::new(process::built("wab")?);
    let schema: Value = serde_json::from_str(&process::must(wab.arg("schema"))?)?;
    let mut page = format!("# fleet.yaml\n{MARK}\n{HEAD}");
    let sections = schema["properties"].as_object().context("no sections")?;
    anyhow::ensure!(sections.len() == SECTIONS.len(), "fleet.yaml has other sections than {SECTIONS:?}");
    for name in SECTIONS {
        let section = sections.get(name).with_context(|| format!("no section {name}"))?;
        let about = section["description"].as_str().with_context(|| format!("{name} has no meaning"))?;
        page += &format!("\n## `{name}`\n\n{about}\n");
        if section.get("properties").is_some() {
            page += &table(section)?;
        }
    }
    let example = std::fs::read_to_string(root().join("fleet.yaml.example"))?;
    page += &format!(
        "\n## An example with every key\n\n[`fleet.yaml.example`](../fleet.yaml.example), which `wab init` writes with all but\n`version` and `tenants` as comments:\n\n```yaml\n{example}```\n"
    );
    Ok(page)
}

#[test]
fn the_reference_of_fleet_yaml_is_its_schema() -> Result<()> {
    let page = page()?;
    anyhow::ensure!(page.contains("| `extra[].tenant_id` | id |"), "{page}");
    generated::hold("docs/fleet-yaml.md", &page)
}
