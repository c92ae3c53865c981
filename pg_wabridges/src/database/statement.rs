//! Runs statements: their text has `@extschema@` for our schema, and every name in it is qualified.

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;

use crate::error::Raise;
use crate::glimpse::glimpse;

/// A row while it is read.
pub struct Row<'a>(SpiHeapTupleData<'a>);

impl Row<'_> {
    pub fn get<T: IntoDatum + FromDatum>(&self, column: usize) -> Result<Option<T>, Raise> {
        Ok(self.0.get(column)?)
    }
}

/// The statement with our schema in place of `@extschema@`.
pub fn in_our_schema(sql: &str) -> Result<String, Raise> {
    let found = select(include_str!("schema.sql"), &[], |row| row.get::<String>(1))?;
    let schema = found.into_iter().next().flatten();
    let schema = schema
        .ok_or_else(|| Raise::unexpected("the extension has no schema", "pg_extension has no row for it"))?;
    Ok(sql.replace("@extschema@", &schema))
}

/// Most functions called here may write, so the statements run as ones that may.
pub fn rows<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    let sql = in_our_schema(sql)?;
    Spi::connect_mut(|spi| spi.update(&sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// As `rows`, for a statement that only reads: it may run within a parallel query, where nothing can be written.
pub fn rows_in_any_query<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    select(&in_our_schema(sql)?, args, read)
}

fn select<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    Spi::connect(|spi| spi.select(sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// As `rows`, for a statement before a call: a lock on a table would last as long as the call.
pub fn rows_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    glimpse(|| rows(sql, args, read))
}

/// The statement's only row.
pub fn one<T>(sql: &str, args: &[DatumWithOid], read: impl Fn(&Row) -> Result<T, Raise>) -> Result<T, Raise> {
    rows(sql, args, read)?
        .pop()
        .ok_or_else(|| Raise::unexpected("a statement of pg_wabridges returned no row", sql))
}

/// As `one`, before a call.
pub fn one_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<T, Raise> {
    glimpse(|| one(sql, args, read))
}
