//! Asks the provider about a bridge: one call at a time and one every 15 s, whoever looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::timeout;
use wabridges::qr::Outline;

/// A page is answered after this time; the call goes on, and its result serves the next request.
const PATIENCE: Duration = Duration::from_secs(8);
/// When the page asks again about a call that is under way.
const SOON: Duration = Duration::from_secs(5);
/// A result is forgotten so long after it is out of date. Pages that are open then were told that the phone is paired.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// What the provider said.
#[derive(Clone, Debug)]
pub enum Look {
    /// The session shows this code.
    Code(Arc<Outline>),
    /// The session is not paired.
    Unpaired,
    /// The session is paired, and the link is dead.
    Paired,
    /// There is no answer that helps.
    Failed,
}

/// What a page needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The code to scan.
    Code,
    /// Whether the phone is paired.
    Status,
}

/// A look, and when the next one is due.
#[derive(Clone, Debug)]
pub struct Seen {
    pub look: Look,
    pub next: Instant,
}

/// The looks by bridge.
#[derive(Default)]
pub struct Looks {
    slots: Mutex<HashMap<i64, Slot>>,
}

type Flight = Shared<BoxFuture<'static, Option<Seen>>>;

#[derive(Default)]
struct Slot {
    seen: Option<Seen>,
    flight: Option<Flight>,
}

/// What is known without a call.
enum Known {
    Seen(Seen),
    Flight(Flight),
    Nothing,
}

impl Looks {
    /// The present look. `call` begins a call, unless one is under way; it says how long to wait if it may not.
    ///
    /// # Errors
    /// The time to wait.
    pub async fn get(
        self: &Arc<Self>,
        bridge_id: i64,
        want: Want,
        call: impl Fn() -> Result<BoxFuture<'static, Seen>, Duration>,
    ) -> Result<Seen, Duration> {
        // The call under way may be one that brings no code.
        for _ in 0..2 {
            let flight = match self.known(bridge_id, want) {
                Known::Seen(seen) => return Ok(seen),
                Known::Flight(flight) => flight,
                Known::Nothing => self.fly(bridge_id, call()?),
            };
            match timeout(PATIENCE, flight).await {
                Ok(Some(Seen { look: Look::Unpaired, .. })) if want == Want::Code => {}
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(Seen { look: Look::Failed, next: Instant::now() + SOON })
    }

    /// Whether the bridge was found to be paired.
    pub fn is_paired(&self, bridge_id: i64) -> bool {
        let slots = self.slots();
        let seen = slots.get(&bridge_id).and_then(|slot| slot.seen.as_ref());
        matches!(seen, Some(Seen { look: Look::Paired, .. }))
    }

    fn known(&self, bridge_id: i64, want: Want) -> Known {
        let now = Instant::now();
        let mut slots = self.slots();
        slots.retain(|_, slot| {
            slot.flight.is_some()
                || slot.seen.as_ref().is_some_and(|seen| now.saturating_duration_since(seen.next) < KEPT)
        });
        let Some(slot) = slots.get(&bridge_id) else { return Known::Nothing };
        match (&slot.seen, &slot.flight) {
            (Some(seen), _) if seen.next > now && seen.look.serves(want) => Known::Seen(seen.clone()),
            (_, Some(flight)) => Known::Flight(flight.clone()),
            _ => Known::Nothing,
        }
    }

    /// Begins a call, which goes on if all pages go away.
    fn fly(self: &Arc<Self>, bridge_id: i64, call: BoxFuture<'static, Seen>) -> Flight {
        let looks = self.clone();
        let task = tokio::spawn(async move {
            let landed = Landing { looks: &looks, bridge_id };
            let seen = call.await;
            looks.slots().entry(bridge_id).or_default().seen = Some(seen.clone());
            drop(landed);
            seen
        });
        let flight = task.map(Result::ok).boxed().shared();
        self.slots().entry(bridge_id).or_default().flight = Some(flight.clone());
        flight
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<i64, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, also one that panicked.
struct Landing<'a> {
    looks: &'a Looks,
    bridge_id: i64,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.looks.slots().entry(self.bridge_id).or_default().flight = None;
    }
}

impl Look {
    /// Whether a page needs no other look for now. A page whose link works although the bridge was paired looks again: the link
    /// may be newer.
    fn serves(&self, want: Want) -> bool {
        match self {
            Self::Code(_) | Self::Failed => true,
            Self::Unpaired => want == Want::Status,
            Self::Paired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn call(look: Look, calls: &Arc<AtomicUsize>) -> BoxFuture<'static, Seen> {
        let calls = calls.clone();
        async move {
            calls.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Seen { look, next: Instant::now() + Duration::from_secs(15) }
        }
        .boxed()
    }

    #[tokio::test]
    async fn viewers_share_a_call_and_its_result() {
        let (looks, calls) = (Arc::new(Looks::default()), Arc::default());
        let status = || looks.get(1, Want::Status, || Ok(call(Look::Unpaired, &calls)));
        let (a, b) = tokio::join!(status(), status());
        assert!(a.is_ok() && b.is_ok() && status().await.is_ok());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        // It brought no code.
        let code = Arc::new(Outline { side: 1, path: String::new() });
        let seen = looks.get(1, Want::Code, || Ok(call(Look::Code(code.clone()), &calls))).await.unwrap();
        assert!(matches!(seen.look, Look::Code(_)));
        let wait = Duration::from_secs(3);
        assert!(looks.get(1, Want::Code, || Err(wait)).await.is_ok(), "the result serves for a while");
        assert_eq!(looks.get(2, Want::Code, || Err(wait)).await.err(), Some(wait));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert!(!looks.is_paired(1));
    }

    #[tokio::test]
    async fn a_call_that_panicked_is_over() {
        let (looks, calls) = (Arc::new(Looks::default()), Arc::default());
        let broken = || Ok(async { std::panic::resume_unwind(Box::new(())) }.boxed());
        assert!(matches!(looks.get(3, Want::Code, broken).await.unwrap().look, Look::Failed));
        let seen = looks.get(3, Want::Code, || Ok(call(Look::Paired, &calls))).await.unwrap();
        assert!(matches!(seen.look, Look::Paired) && looks.is_paired(3));
    }
}
