//! Runs SQL statements, replacing `@extschema@` with our schema. Every name in a statement must be qualified.

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;

use crate::error::Raise;
use crate::glimpse::glimpse;

/// A result row; columns count from 1.
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

/// Runs a statement that may write, and reads each row. The transaction gets an id, which costs a flush of the WAL.
pub fn rows<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    let sql = in_our_schema(sql)?;
    Spi::connect_mut(|spi| spi.update(&sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// Runs a statement that only reads. Until this transaction has written, it sees what the caller's statement sees. It also works
/// in a parallel worker.
pub fn read_rows<T>(
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

/// As [`read_rows`], for a statement before a provider call: it keeps no lock on a table during the call.
pub fn rows_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    glimpse(|| read_rows(sql, args, read))
}

/// Runs a statement that may write and returns one row, and reads it.
pub fn one<T>(sql: &str, args: &[DatumWithOid], read: impl Fn(&Row) -> Result<T, Raise>) -> Result<T, Raise> {
    only(sql, rows(sql, args, read)?)
}

/// As [`one`], for a statement that only reads.
pub fn read_one<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<T, Raise> {
    only(sql, read_rows(sql, args, read)?)
}

/// As [`read_one`], for a statement before a provider call.
pub fn one_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<T, Raise> {
    only(sql, rows_unlocked(sql, args, read)?)
}

fn only<T>(sql: &str, mut found: Vec<T>) -> Result<T, Raise> {
    found.pop().ok_or_else(|| Raise::unexpected("a statement of pg_wabridges returned no row", sql))
}
