//! The metrics: the queries of `monitoring/sql_exporter.yml`, so that both ways to scrape them agree, and their text format.

use std::fmt::Write;
use std::sync::Arc;

use serde::Deserialize;

use crate::db::board::Query;
use crate::model::{Table, Value};
use crate::serve::received::Received;

const DEFINITIONS: &str = include_str!("../../../monitoring/sql_exporter.yml");

/// All metrics.
#[derive(Debug, Deserialize)]
pub struct Metrics {
    jobs: Vec<Job>,
    /// What became of the webhooks, if this process receives them.
    #[serde(skip)]
    pub webhooks: Option<Arc<Received>>,
}

#[derive(Debug, Deserialize)]
struct Job {
    queries: Vec<Metric>,
}

/// One metric: each row has one sample per column of `values`.
#[derive(Debug, Deserialize)]
struct Metric {
    name: String,
    help: String,
    #[serde(default)]
    labels: Vec<String>,
    values: Vec<String>,
    query: String,
}

impl Metrics {
    /// Reads the definitions.
    ///
    /// # Errors
    /// The file in this program is not YAML of that form. A test reads it.
    pub fn read() -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(DEFINITIONS)
    }

    /// The queries, in the order of the metrics.
    pub fn queries(&self) -> Vec<Query> {
        self.all().map(|metric| Query::metric(&metric.query)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Metric> {
        self.jobs.iter().flat_map(|job| &job.queries)
    }
}

/// The samples in Prometheus' text format: one table per query.
pub fn exposition(metrics: &Metrics, tables: &[Table]) -> String {
    let mut text = String::new();
    for (metric, table) in metrics.all().zip(tables) {
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {} gauge", metric.name, metric.help, metric.name);
        for row in 0..table.rows.len() {
            for column in &metric.values {
                if let Some(value) = table.value(row, column).and_then(number) {
                    let _ = writeln!(text, "{}{} {value}", metric.name, labels(metric, table, row, column));
                }
            }
        }
    }
    if let Some(webhooks) = &metrics.webhooks {
        text += &webhooks.exposition();
    }
    text
}

/// `{kind="missing"}`; the column of the value is the label `col`, as sql_exporter has it.
fn labels(metric: &Metric, table: &Table, row: usize, column: &str) -> String {
    let value = |label: &String| match table.value(row, label) {
        Some(Value::Text(text)) => text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"),
        _ => String::new(),
    };
    let others = metric.labels.iter().map(|label| format!("{label}=\"{}\"", value(label)));
    let labels: Vec<String> = std::iter::once(format!("col=\"{column}\"")).chain(others).collect();
    format!("{{{}}}", labels.join(","))
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::Decimal(amount) => Some(amount.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_sample_per_value() {
        let metrics: Metrics = serde_yaml::from_str(
            "jobs: [{queries: [{name: wab_x, help: Some., labels: [kind], values: [a, b], query: SELECT}]}]",
        )
        .unwrap();
        let columns = ["kind", "a", "b"].map(str::to_owned).to_vec();
        let row = vec![Value::Text("a\"\\\n".into()), Value::Number(3), Value::Null];
        let text = exposition(&metrics, &[Table { columns, rows: vec![row] }]);
        assert_eq!(
            text,
            "# HELP wab_x Some.\n# TYPE wab_x gauge\nwab_x{col=\"a\",kind=\"a\\\"\\\\\\n\"} 3\n"
        );
    }

    #[test]
    fn the_definitions_can_be_read() {
        let metrics = Metrics::read().unwrap();
        assert!(metrics.all().count() > 5);
        assert!(metrics.all().all(|metric| metric.name.starts_with("wab_") && !metric.values.is_empty()));
    }
}
