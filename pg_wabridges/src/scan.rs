//! A trick for speed: shows the rows of a query without copying one.
//!
//! A cursor of pgrx copies and checks each value, which costs a refresh of 100,000 bridges more than the comparison itself. Here the
//! values are read where PostgreSQL put them, a few hundred rows at a time, so that a table of any size takes the same memory.

use std::ffi::CString;

use pgrx::{Spi, check_for_interrupts, pg_sys};

use crate::error::Raise;

/// How many rows are fetched at once, and go between two looks for a cancel.
const BATCH: std::ffi::c_long = 512;

/// Shows each row of the query, which takes no arguments and has `N` columns. The values are gone after the call.
pub fn each_row<const N: usize>(
    sql: String,
    mut see: impl FnMut([Option<pg_sys::Datum>; N]),
) -> Result<(), Raise> {
    let sql = CString::new(sql).map_err(|error| Raise::unexpected("a statement has a NUL in it", error))?;
    // SAFETY: on the main thread, connected to SPI; the rows of a batch live until it is freed, and have the columns that their
    // descriptor says, of which there are N.
    Spi::connect(|_| unsafe {
        let none = std::ptr::null_mut();
        // Not read-only: it sees what was committed until now, such as before a lock that was waited for.
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
                return Err(Raise::unexpected("a statement of pg_wabridges has other columns", "a bug"));
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
