//! Reads the rows of a query without copying their values, for speed.
//!
//! A cursor of pgrx copies and checks each value; in a refresh of 100,000 bridges that takes longer than the comparison itself.
//! Here the values are read in PostgreSQL's memory, 512 rows at a time, so a table of any size takes the same memory.

use std::ffi::CString;

use pgrx::{Spi, check_for_interrupts, pg_sys};

use crate::error::Raise;

/// Rows fetched at once; a cancel is checked after each batch.
const BATCH: std::ffi::c_long = 512;

/// Passes each row of the query to `see`. The query has no parameters and `N` columns. The values must not be used after `see`
/// returns.
pub fn each_row<const N: usize>(
    sql: String,
    mut see: impl FnMut([Option<pg_sys::Datum>; N]),
) -> Result<(), Raise> {
    let sql = CString::new(sql).map_err(|error| Raise::unexpected("a statement has a NUL in it", error))?;
    // SAFETY: runs on the main thread, connected to SPI; the rows of a batch live until it is freed, and have the N columns of
    // their descriptor.
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
        loop {
            pg_sys::SPI_cursor_fetch(portal, true, BATCH);
            let (batch, rows) = (pg_sys::SPI_tuptable, pg_sys::SPI_processed as usize);
            if (*(*batch).tupdesc).natts as usize != N {
                return Err(Raise::unexpected(
                    "a statement of pg_wabridges returned an unexpected number of columns",
                    format!("{} instead of {N}", (*(*batch).tupdesc).natts),
                ));
            }
            let (mut values, mut nulls) = ([pg_sys::Datum::from(0); N], [false; N]);
            for row in 0..rows {
                let tuple = *(*batch).vals.add(row);
                pg_sys::heap_deform_tuple(tuple, (*batch).tupdesc, values.as_mut_ptr(), nulls.as_mut_ptr());
                see(std::array::from_fn(|column| (!nulls[column]).then_some(values[column])));
            }
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
