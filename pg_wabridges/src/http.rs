//! Runs calls on one helper thread while the backend sleeps on its latch, so that a cancel takes effect at once.

use std::future::Future;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::mpsc;

use futures::FutureExt;
use pgrx::{check_for_interrupts, pg_sys};
use tokio::sync::{mpsc as jobs, oneshot};

use crate::error::Raise;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The one helper thread of a backend. Its first call starts it; it owns the runtime and every socket, and never ends.
static THREAD: OnceLock<jobs::UnboundedSender<Job>> = OnceLock::new();

/// A running call. Dropping it, as unwinding does, drops the call and its connection on the helper thread.
pub struct Pending<T> {
    answer: mpsc::Receiver<T>,
    pair: UnixStream,
    _cancel: oneshot::Sender<()>,
}

/// Starts the call on the helper thread.
pub fn begin<T, F>(call: F) -> Result<Pending<T>, Raise>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (result, answer) = mpsc::sync_channel(1);
    let (_cancel, cancelled) = oneshot::channel::<()>();
    let (pair, theirs) =
        UnixStream::pair().map_err(|error| Raise::unexpected("cannot create a socket pair", error))?;
    let job: Job = Box::pin(async move {
        tokio::select! {
            biased;
            _ = cancelled => {}
            // A panic must not end the thread. The result is then missing, and wait() raises an error.
            outcome = AssertUnwindSafe(call).catch_unwind() => {
                if let Ok(value) = outcome {
                    let _ = result.send(value);
                }
            }
        }
        // Closing this end wakes the backend, after a result, a panic and a cancel alike.
        drop(theirs);
    });
    thread()?
        .send(job)
        .map_err(|_| Raise::unexpected("the HTTP thread has ended", "reconnect to start a new one"))?;
    Ok(Pending { answer, pair, _cancel })
}

impl<T> Pending<T> {
    /// Waits for the answer. On a cancel, a statement timeout or a terminate, PostgreSQL raises its own error here at once.
    pub fn wait(self) -> Result<T, Raise> {
        sleep_until_closed(&self.pair);
        self.answer.recv().map_err(|_| {
            Raise::unexpected("the call to the provider ended without a result", "see the server log")
        })
    }
}

unsafe extern "C-unwind" {
    /// A function of PostgreSQL since 14: whether the client is still connected. It may reset the latch.
    fn pq_check_connection() -> bool;
}

/// The interval in milliseconds at which a sleeping backend checks whether its client is still connected.
const CLIENT_CHECK: std::ffi::c_long = 500;

/// Ends the backend if its client has disconnected, as client_connection_check_interval does. A background worker has no
/// client.
fn end_with_client() {
    // SAFETY: called on the backend's main thread; the flags are what PostgreSQL's own check sets.
    unsafe {
        let connected = || pg_sys::ffi::pg_guard_ffi_boundary(|| pq_check_connection());
        if !pg_sys::MyProcPort.is_null() && !connected() {
            pg_sys::ClientConnectionLost = 1;
            pg_sys::InterruptPending = 1;
        }
    }
    check_for_interrupts!();
}

/// Sleeps until the other end of the pair is closed. PostgreSQL's interrupts are processed meanwhile.
fn sleep_until_closed(pair: &UnixStream) {
    let events =
        pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    loop {
        // SAFETY: called on the backend's main thread, with its own latch and a descriptor that outlives the call.
        let happened = unsafe {
            pg_sys::WaitLatchOrSocket(
                pg_sys::MyLatch,
                events as i32,
                pair.as_raw_fd(),
                CLIENT_CHECK,
                pg_sys::PG_WAIT_EXTENSION,
            )
        };
        if happened as u32 & pg_sys::WL_TIMEOUT != 0 {
            end_with_client();
        }
        if happened as u32 & pg_sys::WL_LATCH_SET != 0 {
            // SAFETY: as above.
            unsafe { pg_sys::ResetLatch(pg_sys::MyLatch) };
            check_for_interrupts!();
        }
        if happened as u32 & pg_sys::WL_SOCKET_READABLE != 0 {
            return;
        }
    }
}

fn thread() -> Result<&'static jobs::UnboundedSender<Job>, Raise> {
    if let Some(sender) = THREAD.get() {
        return Ok(sender);
    }
    let sender = start().map_err(|error| Raise::unexpected("cannot start the HTTP thread", error))?;
    Ok(THREAD.get_or_init(|| sender))
}

/// Starts the thread with every signal blocked from the beginning: PostgreSQL's handlers must run on the main thread. Threads
/// that the runtime starts for name lookups inherit the mask.
fn start() -> std::io::Result<jobs::UnboundedSender<Job>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, mut receiver) = jobs::unbounded_channel::<Job>();
    let mask = BlockedSignals::new()?;
    std::thread::Builder::new().name("wab http".to_owned()).spawn(move || {
        runtime.block_on(async {
            while let Some(job) = receiver.recv().await {
                job.await;
            }
        });
    })?;
    drop(mask);
    Ok(sender)
}

/// Blocks all signals on this thread until it is dropped.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> std::io::Result<Self> {
        // SAFETY: both sets are plain memory, which the calls fill.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) {
                0 => Ok(Self(before)),
                code => Err(std::io::Error::from_raw_os_error(code)),
            }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: restores the mask that was there before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
