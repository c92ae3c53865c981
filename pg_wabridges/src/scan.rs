//! Reads the rows of a query without copying their values, for speed.
//!
//! A cursor of pgrx copies and checks each value; in a refresh of 100,000 bridges that takes longer than the comparison itself.
//! Here the values are read in PostgreSQL's memory, 512 rows at a time, so a table of any size takes the same memory.

use std::ffi::CString;

use pgrx::{PgMemoryContexts, PgSqlErrorCode, Spi, check_for_interrupts, pg_sys};

use crate::error::Raise;

/// Rows fetched at once; a cancel is checked after each batch.
const BATCH: std::ffi::c_long = 512;

/// Passes each row of the query to `see`. The query has no parameters, and `N` columns of these types. The values must not be
/// used after `see` returns.
///
/// # Errors
/// 42804 if a column has another type: a table was replaced.
pub fn each_row<const N: usize>(
    sql: String,
    types: [pg_sys::Oid; N],
    mut see: impl FnMut([Option<pg_sys::Datum>; N]),
) -> Result<(), Raise> {
    let sql = CString::new(sql).map_err(|error| Raise::unexpected("a statement has a NUL in it", error))?;
    // SAFETY: runs on the main thread, connected to SPI; the rows of a batch live until it is freed, and have the columns that
    // require() checks.
    Spi::connect(|_| unsafe {
        let none = std::ptr::null_mut();
        // Not read-only, so that the query takes a new snapshot: it must see rows committed while this session waited for a lock.
        let portal = pg_sys::SPI_cursor_open_with_args(
            std::ptr::null(),
            sql.as_ptr(),
            0,
            std::ptr::null_mut(),
            none,
            std::ptr::null(),
            false,
            0,
        );
        require(&types, (*portal).tupDesc)?;
        // Holds what `see` allocates: decompressed values.
        let mut scratch = PgMemoryContexts::new("pg_wabridges rows");
        loop {
            pg_sys::SPI_cursor_fetch(portal, true, BATCH);
            let (batch, rows) = (pg_sys::SPI_tuptable, pg_sys::SPI_processed as usize);
            let (mut values, mut nulls) = ([pg_sys::Datum::from(0); N], [false; N]);
            scratch.switch_to(|_| {
                for row in 0..rows {
                    let tuple = *(*batch).vals.add(row);
                    pg_sys::heap_deform_tuple(
                        tuple,
                        (*batch).tupdesc,
                        values.as_mut_ptr(),
                        nulls.as_mut_ptr(),
                    );
                    see(std::array::from_fn(|column| (!nulls[column]).then_some(values[column])));
                }
            });
            scratch.reset();
            pg_sys::SPI_freetuptable(batch);
            if rows == 0 {
                break;
            }
            check_for_interrupts!();
        }
        pg_sys::SPI_cursor_close(portal);
        Ok(())
    })
}

/// Checks that the columns have these types.
unsafe fn require(types: &[pg_sys::Oid], columns: pg_sys::TupleDesc) -> Result<(), Raise> {
    // SAFETY: the descriptor belongs to an open portal; its columns count from 1.
    let found: Vec<_> =
        unsafe { (1..=(*columns).natts).map(|column| pg_sys::SPI_gettypeid(columns, column)).collect() };
    if found == types {
        return Ok(());
    }
    let wrong = types.iter().zip(&found).find(|(wanted, found)| wanted != found);
    let detail = match wrong {
        Some((wanted, found)) => format!("type {} instead of {}", name(*found), name(*wanted)),
        None => format!("{} columns instead of {}", found.len(), types.len()),
    };
    Err(Raise::new(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, "wab_bridges has a column of another type")
        .with_detail(detail)
        .with_hint("Something replaced the table. Restore it as pg_wabridges created it."))
}

fn name(oid: pg_sys::Oid) -> String {
    // SAFETY: PostgreSQL returns a new NUL-terminated string for any oid.
    unsafe { std::ffi::CStr::from_ptr(pg_sys::format_type_be(oid)) }.to_string_lossy().into_owned()
}
