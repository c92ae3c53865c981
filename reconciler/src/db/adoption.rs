//! Writes a SQL script that adopts bridges on the tenant rows, for a person to read and run.

use std::fmt::Write;

use crate::db::adopt::Target;
use crate::ground::steers;
use crate::model::{Adoption, Binding, FoundBridge};

/// Whether the script also binds the tenants table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// The table is bound already.
    Done,
    /// The script binds the table.
    Needed,
}

/// The script, one transaction: binds the table if needed, updates the rows, and suggests rows for bridges
/// without one.
pub fn script(adoption: &Adoption, target: &Target, bind: Bind) -> String {
    let mut out = format!(
        "-- Written by wab export --sql on {}. Read it, then run it with psql; it is one transaction.\n\
         \\set ON_ERROR_STOP on\n\
         SET client_encoding = 'UTF8';\n\
         SET standard_conforming_strings = on;\n\
         BEGIN;\n\n",
        adoption.day
    );
    if adoption.malformed > 0 {
        out += &commented(&format!(
            "INCOMPLETE: {} listed rows could not be read and are missing here.",
            adoption.malformed
        ));
    }
    out += &match bind {
        Bind::Needed => binding(target),
        Bind::Done => commented(&format!("{} is bound already.", target.binding.table)),
    };
    out += "\n";
    out += &update(&adoption.rows, target);
    if !adoption.unowned.is_empty() {
        out += &inserts(&adoption.unowned, target);
    }
    out + "\nCOMMIT;\n"
}

fn binding(Target { schema, binding, .. }: &Target) -> String {
    let Binding { table, tenant_id, bridge_id, bridge_status, wanted, .. } = binding;
    let optional: String = [
        ("customer_refs", &binding.customer_refs),
        ("disconnected_after", &binding.disconnected_after),
        ("awaiting_scan_after", &binding.awaiting_scan_after),
        ("phone", &binding.phone),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!(", {name} => {}", literal(value.as_deref()?))))
    .collect();
    format!(
        "-- Binds the tenants table. If bridges have a webhook, add its URL: webhook_url => '…'\n\
         SELECT * FROM {schema}.wab_bind_tenants({}, tenant_id => {}, bridge_id => {}, bridge_status => {}, wanted => {}{optional});\n",
        literal(table),
        literal(tenant_id),
        literal(bridge_id),
        literal(bridge_status),
        literal(wanted)
    )
}

fn update(rows: &[FoundBridge], target: &Target) -> String {
    let [tenant_id, bridge_id, bridge_status] = &target.columns;
    let table = &target.binding.table;
    if rows.is_empty() {
        return "-- Every tenant row holds its bridge already.\n".to_owned();
    }
    let values: Vec<String> = rows.iter().filter_map(value).collect();
    format!(
        "-- {} tenant rows. An unknown status is NULL here; the row then keeps its own.\n\
         UPDATE {table} AS t\n\
         SET {bridge_id} = live.bridge_id, {bridge_status} = coalesce(live.bridge_status, t.{bridge_status})\n\
         FROM (VALUES\n    {}\n) AS live (customer_ref, bridge_id, bridge_status)\n\
         WHERE t.{tenant_id}::text = live.customer_ref;\n",
        values.len(),
        values.join(",\n    ")
    )
}

fn value(row: &FoundBridge) -> Option<String> {
    let customer_ref = row.customer_ref.as_ref()?;
    Some(format!("({}, {}::bigint, {}::text)", literal(customer_ref.as_str()), row.bridge_id, status(row)))
}

fn status(row: &FoundBridge) -> String {
    row.status.as_deref().map_or_else(|| "NULL".to_owned(), literal)
}

fn inserts(unowned: &[FoundBridge], target: &Target) -> String {
    let (table, columns) = (&target.binding.table, target.columns.join(", "));
    let mut out = "\n-- Bridges without a tenant row; fleet.yaml keeps them. To make them tenants instead:\n"
        .to_owned();
    for bridge in unowned {
        let Some(customer_ref) = &bridge.customer_ref else { continue };
        out += &commented(&format!(
            "INSERT INTO {table} ({columns}) VALUES ({}, {}, {});",
            literal(customer_ref.as_str()),
            bridge.bridge_id,
            status(bridge)
        ));
    }
    out
}

/// The text as SQL comments. Every line becomes a comment, even if a name in the text contains line breaks.
fn commented(text: &str) -> String {
    text.split(['\n', '\r']).fold(String::new(), |mut out, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "-- {line}");
        out
    })
}

/// A SQL literal on one line, correct under both settings of standard_conforming_strings. Line breaks and
/// characters that control a terminal are escaped, so that the text a person reads is the text that
/// PostgreSQL runs.
fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("''"),
            '\\' => {
                escaped = true;
                quoted.push_str("\\\\");
            }
            c if steers(c) => {
                escaped = true;
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    format!("{}'{quoted}'", if escaped { "E" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_one_line_and_end_where_they_should() {
        for (text, sql) in [
            ("", "''"),
            ("cust_01", "'cust_01'"),
            ("o'hara", "'o''hara'"),
            ("a\\'b", r"E'a\\''b'"),
            ("x\n'); DROP TABLE tenants; --", r"E'x\u000a''); DROP TABLE tenants; --'"),
            ("\u{202e}\r\t", r"E'\u202e\u000d\u0009'"),
            ("ünïcödé 🦀 :x $1 $$", "'ünïcödé 🦀 :x $1 $$'"),
        ] {
            assert_eq!(literal(text), sql);
        }
    }

    #[test]
    fn no_line_escapes_a_comment() {
        assert_eq!(commented("a\nDROP TABLE x;\rb"), "-- a\n-- DROP TABLE x;\n-- b\n");
    }
}
