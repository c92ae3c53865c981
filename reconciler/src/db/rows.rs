//! Reads a row into a struct with fields of the same names as the columns.

/// `from_row!(Type { column, …; other_field: value, … })`
macro_rules! from_row {
    ($type:ident { $($column:ident),* $(; $($field:ident: $value:expr),*)? }) => {
        impl sqlx::FromRow<'_, sqlx::postgres::PgRow> for $type {
            fn from_row(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    $($column: sqlx::Row::try_get(row, stringify!($column))?,)*
                    $($($field: $value,)*)?
                })
            }
        }
    };
}

pub(super) use from_row;
