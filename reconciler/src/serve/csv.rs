//! Tables as CSV, with the names of the columns as SQL has them.

use chrono::SecondsFormat;

use crate::ground::harmless;
use crate::model::{Table, Value};

/// The table. Control characters are escaped, because the text may be shown on a terminal.
pub fn csv(table: &Table) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = table.rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>());
    for row in std::iter::once(table.columns.clone()).chain(rows) {
        // Writing into memory fails only for rows of different lengths.
        let _ = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => no_formula(harmless(text)),
        Value::List(texts) => {
            no_formula(texts.iter().map(|text| harmless(text)).collect::<Vec<_>>().join(" "))
        }
        Value::Number(number) => number.to_string(),
        Value::Decimal(amount) => amount.to_string(),
        Value::Time(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Value::Flag(flag) => flag.to_string(),
    }
}

/// A spreadsheet would run a text that begins like a formula. After an apostrophe it shows the text.
fn no_formula(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_and_numbers_stay_numbers() {
        let texts = ["=1+1", "+1", "-1", "@a", "a=1"].map(|text| Value::Text(text.into()));
        let row = [&texts[..], &[Value::Number(-1), Value::List(vec!["=x".into()])]].concat();
        let columns = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned).to_vec();
        let text = csv(&Table { columns, rows: vec![row] });
        assert_eq!(text, "a,b,c,d,e,f,g\n'=1+1,'+1,'-1,'@a,a=1,-1,'=x\n");
    }

    #[test]
    fn every_value_is_one_field() {
        let row = vec![
            Value::Null,
            Value::Text("a,\"b\"\u{1b}[2J".into()),
            Value::List(vec!["x".into(), "y".into()]),
            Value::Flag(true),
        ];
        let columns = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let text = csv(&Table { columns: columns.clone(), rows: vec![row] });
        assert_eq!(text, "a,b,c,d\n,\"a,\"\"b\"\"\\u{1b}[2J\",x y,true\n");
        assert_eq!(csv(&Table { columns, rows: Vec::new() }), "a,b,c,d\n");
    }
}
