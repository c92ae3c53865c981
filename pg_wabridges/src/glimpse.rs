//! Runs reading statements without keeping their locks, so that they do not block DDL during a provider call.

use pgrx::pg_sys;

/// A subtransaction that is rolled back when this value is dropped, also after an error. The rollback releases the locks
/// that its statements took, and undoes their writes.
struct Glimpse {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Glimpse {
    fn begin() -> Self {
        // SAFETY: runs on the main thread, inside a transaction; later allocations belong to the caller's context.
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
        // SAFETY: ends the subtransaction of begin(); subtransactions begun in between have ended, or are unwinding.
        unsafe {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::CurrentMemoryContext = self.context;
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }
}

/// Runs statements that only read, and releases their locks.
pub fn glimpse<T>(read: impl FnOnce() -> T) -> T {
    let _glimpse = Glimpse::begin();
    read()
}
