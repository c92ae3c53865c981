//! Writes a line to the server's log that no ROLLBACK removes, without the caller's statement, which may hold a phone number.

use std::ffi::{CString, c_char, c_int};

use pgrx::pg_sys;

// pgrx has no binding for these two, and its log!() cannot hide the statement.
unsafe extern "C-unwind" {
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

/// Writes the line to the server's log and not to the client.
pub fn write(line: &str) {
    let Ok(line) = CString::new(line.replace('\0', "")) else { return };
    // SAFETY: runs on the main thread. The level is less than ERROR, so errfinish() returns.
    unsafe {
        #[allow(clippy::cast_possible_wrap)]
        if errstart(pg_sys::LOG_SERVER_ONLY as c_int, std::ptr::null()) {
            pg_sys::errmsg_internal(c"%s".as_ptr(), line.as_ptr());
            pg_sys::errhidestmt(true);
            pg_sys::errhidecontext(true);
            // It may answer a cancel.
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                errfinish(c"server_log.rs".as_ptr(), 0, c"write".as_ptr());
            });
        }
    }
}
