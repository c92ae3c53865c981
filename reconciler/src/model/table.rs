//! A table as SQL returned it, for a page or for CSV.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// Rows of values under named columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns, as SQL returned them.
    pub columns: Vec<String>,
    /// The rows; each has as many values as there are columns.
    pub rows: Vec<Vec<Value>>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A text, which may hold anything.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// A whole number.
    Number(i64),
    /// A share or an amount.
    Decimal(Decimal),
    /// A time.
    Time(DateTime<Utc>),
    /// Yes or no.
    Flag(bool),
}

impl Table {
    /// The value in this row and column; `None` if there is no such row or column.
    pub fn value(&self, row: usize, column: &str) -> Option<&Value> {
        let nth = self.columns.iter().position(|name| name == column)?;
        self.rows.get(row)?.get(nth)
    }

    /// The first row's value in this column, as a text.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.value(0, column)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The first row's value in this column, as a whole number; 0 if there is none.
    pub fn number(&self, column: &str) -> i64 {
        match self.value(0, column) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    /// The first row's value in this column, as a share or an amount.
    pub fn decimal(&self, column: &str) -> Option<Decimal> {
        match self.value(0, column)? {
            Value::Decimal(amount) => Some(*amount),
            _ => None,
        }
    }

    /// The first row's value in this column, as a time.
    pub fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        match self.value(0, column)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }
}
