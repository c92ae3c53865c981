//! Handles SIGINT, SIGTERM and SIGHUP from the start of the process, in a thread of its own. Process 1 of a container ignores
//! every signal that it does not handle, and a verb may be busy or wait for an answer.

use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ground::Exit;

/// The exit code of a process that SIGINT ended: the second signal ends the run at once.
const KILLED: i32 = 130;

/// What the first signal does.
static FIRST: Mutex<First> = Mutex::new(First::EndsTheProcess);

enum First {
    EndsTheProcess,
    Asks(Box<dyn FnOnce() + Send>),
    WasSent,
}

/// From now on a signal ends the process with the exit code 8, after `last_words` with the signal's name. A signal that the
/// process was started to ignore, as `nohup` does with SIGHUP, stays ignored.
pub fn handle(last_words: impl Fn(&str) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let listen = |kind: SignalKind| (!is_ignored(kind)).then(|| signal(kind)).transpose();
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    drop(guard);
    let wait = async move {
        loop {
            let name = tokio::select! {
                () = sent(&mut interrupt) => "SIGINT",
                () = sent(&mut terminate) => "SIGTERM",
                () = sent(&mut hangup) => "SIGHUP",
            };
            let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
            match std::mem::replace(&mut *first, First::WasSent) {
                First::EndsTheProcess => {
                    last_words(name);
                    process::exit(Exit::Interrupted as i32);
                }
                First::Asks(ask) => ask(),
                First::WasSent => process::exit(KILLED),
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait))?;
    Ok(())
}

/// From now on the first signal calls `ask`, and the second ends the process at once.
pub fn hand_over(ask: impl FnOnce() + Send + 'static) {
    *FIRST.lock().unwrap_or_else(PoisonError::into_inner) = First::Asks(Box::new(ask));
}

async fn sent(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the current one to `action`, which is read only after success.
    unsafe {
        libc::sigaction(kind.as_raw_value(), std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
