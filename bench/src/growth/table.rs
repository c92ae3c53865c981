//! Writes psql's output as a Markdown table.

/// A table with these heads, of rows as lines with `|` between the columns. The first column is text, the others are numbers.
pub fn markdown(heads: &[&str], rows: &str) -> String {
    let mut out =
        format!("| {} |\n|---|{}\n", heads.join(" | "), "--:|".repeat(heads.len().saturating_sub(1)));
    for row in rows.lines() {
        out.push_str(&format!("| {} |\n", row.split('|').collect::<Vec<_>>().join(" | ")));
    }
    out
}
