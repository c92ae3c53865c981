//! Turns the rows of a query into a table of values.

use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::{Column, Row, TypeInfo};

use crate::model::{Table, Value};

/// The columns come from the first row, so a query without rows returns a table without columns.
pub(super) fn table(rows: &[PgRow]) -> Result<Table, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(Table::default()) };
    let columns = first.columns().iter().map(|column| column.name().to_owned()).collect();
    let rows = rows.iter().map(values).collect::<Result<_, _>>()?;
    Ok(Table { columns, rows })
}

fn values(row: &PgRow) -> Result<Vec<Value>, sqlx::Error> {
    (0..row.len()).map(|nth| value(row, nth)).collect()
}

/// A value of a type that is not listed is an error of the query, which casts it to text.
fn value(row: &PgRow, nth: usize) -> Result<Value, sqlx::Error> {
    let value = match row.column(nth).type_info().name() {
        "BOOL" => row.try_get::<Option<bool>, _>(nth)?.map(Value::Flag),
        "INT4" => row.try_get::<Option<i32>, _>(nth)?.map(|number| Value::Number(number.into())),
        "INT8" => row.try_get::<Option<i64>, _>(nth)?.map(Value::Number),
        "NUMERIC" => row.try_get::<Option<Decimal>, _>(nth)?.map(Value::Decimal),
        "TIMESTAMPTZ" => row.try_get(nth).map(|time: Option<_>| time.map(Value::Time))?,
        "TEXT[]" => row.try_get::<Option<Vec<String>>, _>(nth)?.map(Value::List),
        _ => row.try_get::<Option<String>, _>(nth)?.map(Value::Text),
    };
    Ok(value.unwrap_or(Value::Null))
}
