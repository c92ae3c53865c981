//! Reading without keeping a lock: what is read before a call must not block DDL while the provider hangs.

use pgrx::pg_sys;

/// A subtransaction that is rolled back when this is dropped, after an error too: the locks on tables that its statements
/// took go with it. What it reads may be kept, what it writes is lost.
struct Glimpse {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Glimpse {
    fn begin() -> Self {
        // SAFETY: on the main thread, inside a transaction; what is allocated meanwhile belongs to the caller's context.
        unsafe {
            let before = Self { context: pg_sys::CurrentMemoryContext, owner: pg_sys::CurrentResourceOwner };
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            pg_sys::CurrentMemoryContext = before.context;
            before
        }
    }
}

impl Drop for Glimpse {
    fn drop(&mut self) {
        // SAFETY: ends the subtransaction that begin() began: everything begun in between has ended, or is unwinding.
        unsafe {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::CurrentMemoryContext = self.context;
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }
}

/// Runs statements that only read, and gives their locks back.
pub fn glimpse<T>(read: impl FnOnce() -> T) -> T {
    let _glimpse = Glimpse::begin();
    read()
}
