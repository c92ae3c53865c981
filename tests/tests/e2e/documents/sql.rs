//! docs/sql.md: what a user calls and queries, from the COMMENTs of the installed objects.

use anyhow::{Context, Result};
use serde_json::Value;

use super::generated::{self, MARK, cell};
use super::page::Page;
use crate::world;

const HEAD: &str = "
What you call and query begins with `wab_`; what begins with `_wab_` is internal. Functions and views stand in the order of `wab_help()`, then come
the tables. Everything is made from the objects' COMMENTs, so `\\df+` and `\\d+` in psql say the same. Where an argument has a `DEFAULT`,
you may leave it out, or name it: `wab_refresh(max_age => '50 seconds')`. [install.md](install.md#roles) says which role may do what.

The type of `tenant_id` is that of your table's column; here it is `text`. A function with an `anynonarray` argument takes `integer`, `uuid` and so on.
";

/// Topics in the order of wab_help(), and what a reader of the page calls them.
const TOPICS: [(&str, &str); 8] = [
    ("setup", "Set up"),
    ("drift", "See the drift"),
    ("observe", "Observe the fleet"),
    ("bridges", "Make and delete bridges"),
    ("session", "Pair and unpair"),
    ("history", "History and money"),
    ("operate", "Operate"),
    ("jobs", "Jobs and monitoring"),
];

const FUNCTIONS: &str = "
    SELECT coalesce(json_agg(f ORDER BY f.nth, f.of_any), '[]') FROM (
        SELECT h.nth, h.topic, h.name,
               regexp_replace(pg_get_function_arguments(p.oid), '::[a-z]+( with time zone)?(\\[\\])?', '', 'g') AS arguments, 'anynonarray'::regtype = ANY (p.proargtypes::oid[]) AS of_any,
               pg_get_function_result(p.oid) AS result,
               obj_description(p.oid, 'pg_proc') AS about
        FROM wab_help() WITH ORDINALITY AS h(topic, name, purpose, example, nth) JOIN pg_proc p ON p.proname = h.name
    ) f";

const RELATIONS: &str = "
    SELECT coalesce(json_agg(r ORDER BY r.nth, r.name), '[]') FROM (
        SELECT h.nth, h.topic, c.relname AS name, obj_description(c.oid, 'pg_class') AS about,
               (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum))
                                ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM pg_class c LEFT JOIN wab_help() WITH ORDINALITY AS h(topic, name, purpose, example, nth) ON h.name = c.relname
        WHERE c.relname LIKE 'wab\\_%' AND c.relkind IN ('r', 'v')
    ) r";

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// A comment as prose: what stands between angle brackets is no HTML.
fn prose(comment: &str) -> String {
    comment.replace('<', "&lt;")
}

/// How a function is called, and its result.
fn signature(form: &Value) -> String {
    let name = text(form, "name");
    let arguments = in_lines(&text(form, "arguments").replace("IN ", ""), "    ");
    match text(form, "result") {
        "" => format!("CALL {name}({arguments})\n"),
        result => match result.strip_prefix("TABLE(").and_then(|rest| rest.strip_suffix(')')) {
            Some(columns) => format!("{name}({arguments})\n  → TABLE ({})\n", in_lines(columns, "      ")),
            None => format!("{name}({arguments})\n  → {result}\n"),
        },
    }
}

/// A list with each entry on a line of its own, if one line would be too long for it.
fn in_lines(list: &str, indent: &str) -> String {
    if list.len() < 90 {
        return list.to_owned();
    }
    format!("\n{indent}{}", list.replace(", ", &format!(",\n{indent}")))
}

/// All forms of a function under one heading: those of other ids differ in one argument.
fn function(forms: &[&Value]) -> Result<String> {
    let first = forms.first().context("no function")?;
    let lines: String = forms.iter().map(|form| signature(form)).collect();
    Ok(format!(
        "\n### `{}()`\n\n{}\n\n```text\n{lines}```\n",
        text(first, "name"),
        prose(text(first, "about"))
    ))
}

fn relation(relation: &Value) -> Result<String> {
    let columns = relation["columns"].as_array().context("no columns")?;
    let rows: String = columns
        .iter()
        .map(|column| {
            let part = |n: usize| column[n].as_str().unwrap_or_default();
            format!("| `{}` | {} | {} |\n", part(0), part(1), cell(part(2)))
        })
        .collect();
    let (name, about) = (text(relation, "name"), prose(text(relation, "about")));
    Ok(format!("\n### `{name}`\n\n{about}\n\n| column | type | meaning |\n|---|---|---|\n{rows}"))
}

fn page(functions: &[Value], relations: &[Value]) -> Result<String> {
    let mut page = format!("# SQL reference\n{MARK}\n{HEAD}");
    for (topic, title) in TOPICS {
        let mut parts = Vec::new();
        for one in functions.iter().filter(|one| text(one, "topic") == topic) {
            let forms: Vec<_> = functions.iter().filter(|other| other["name"] == one["name"]).collect();
            if forms.first().is_some_and(|first| *first == one) {
                parts.push((one["nth"].as_i64(), function(&forms)?));
            }
        }
        for one in relations.iter().filter(|one| text(one, "topic") == topic) {
            parts.push((one["nth"].as_i64(), relation(one)?));
        }
        parts.sort();
        page += &format!("\n## {title}\n");
        page.extend(parts.into_iter().map(|(_, part)| part));
    }
    page += "\n## Tables\n\nQuery them as you like. Without `fleet.yaml` you write to `wab_declared`; the functions and `wab` write the others. The views `wab_policy` and `wab_status_words` stand over the first two.\n";
    for table in relations.iter().filter(|one| one["topic"].is_null()) {
        page += &relation(table)?;
    }
    Ok(page)
}

#[tokio::test]
async fn the_reference_of_sql_is_what_is_installed() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let functions: Vec<Value> = serde_json::from_str(&fleet.sql(FUNCTIONS)?)?;
    let relations: Vec<Value> = serde_json::from_str(&fleet.sql(RELATIONS)?)?;
    let listed = fleet.sql("SELECT DISTINCT topic FROM wab_help() ORDER BY 1")?;
    let mut topics = TOPICS.map(|(topic, _)| topic);
    topics.sort_unstable();
    assert_eq!(listed.lines().collect::<Vec<_>>(), topics, "a topic of wab_help() has no heading");
    generated::hold("docs/sql.md", &page(&functions, &relations)?)
}

/// `wab_name(argument, argument)` in code of a page is a function that has these arguments.
#[tokio::test]
async fn calls_in_the_readme_name_real_arguments() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let text = Page::read("README.md")?.text;
    let calls =
        text.split('`').skip(1).filter(|code| code.starts_with("wab_") || code.starts_with("CALL wab_"));
    let mut found = 0;
    for call in calls.filter_map(|code| code.trim_start_matches("CALL ").strip_suffix(')')) {
        let (name, arguments) = call.split_once('(').context("no arguments")?;
        let known = fleet.sql(&format!(
            "SELECT 'it' || coalesce(string_agg(' ' || array_to_string(p.proargnames, ' '), ''), '') FROM pg_proc p WHERE p.proname = '{name}'
             HAVING count(*) > 0"
        ))?;
        let known: Vec<_> = known.split(' ').collect();
        let unknown =
            arguments.split(", ").find(|argument| !argument.is_empty() && !known.contains(argument));
        anyhow::ensure!(known[0] == "it" && unknown.is_none(), "{call}): {name} has {known:?}");
        found += 1;
    }
    anyhow::ensure!(found >= 18, "only {found} calls were found");
    Ok(())
}
