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

/// Runs a statement that may write, and reads each row.
pub fn rows<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    let sql = in_our_schema(sql)?;
    Spi::connect_mut(|spi| spi.update(&sql, None, args)?.map(|row| read(&Row(row))).collect())
}

/// As [`rows`], for a statement that only reads. It also works in a parallel worker, in which PostgreSQL forbids writing.
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

/// As [`rows`], for a statement before a provider call: it keeps no lock on a table during the call.
pub fn rows_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<Vec<T>, Raise> {
    glimpse(|| rows(sql, args, read))
}

/// Runs a statement that returns one row, and reads it.
pub fn one<T>(sql: &str, args: &[DatumWithOid], read: impl Fn(&Row) -> Result<T, Raise>) -> Result<T, Raise> {
    rows(sql, args, read)?
        .pop()
        .ok_or_else(|| Raise::unexpected("a statement of pg_wabridges returned no row", sql))
}

/// As [`one`], for a statement before a provider call.
pub fn one_unlocked<T>(
    sql: &str,
    args: &[DatumWithOid],
    read: impl Fn(&Row) -> Result<T, Raise>,
) -> Result<T, Raise> {
    glimpse(|| one(sql, args, read))
}
