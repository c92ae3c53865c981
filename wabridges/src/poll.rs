//! Polls sessions for the statuses that the list did not carry, several at once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::time::{sleep, timeout_at};

use crate::{BridgeId, Class, CustomerRef, Error, Listing, ReadClient, Session};

/// Calls running at once. They hide latency; the throttle limits the rate.
const AT_ONCE: usize = 16;
/// The poll ends after this many calls in a row that the provider did not answer.
const GIVE_UP_AFTER: usize = 5;
/// The time that the last calls of a poll have for their answers, at most.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The time that a poll may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollBudget {
    /// Until every bridge was asked.
    Unlimited,
    /// It ends after this time. In the last fifth of it, or the last 5 seconds, no further call begins.
    Within(Duration),
}

/// The answers of the polled sessions.
#[derive(Debug, Default)]
pub struct Polled {
    /// The bridges that were asked, and the session of each; `None` if it did not answer. A bridge that the request did not reach
    /// is not included.
    pub answers: Vec<(BridgeId, Option<Session>)>,
    /// When each of these calls ended.
    pub ended: Vec<Instant>,
    /// The first error.
    pub first_failure: Option<Error>,
}

impl Polled {
    /// The number of sessions that answered.
    pub fn answered(&self) -> usize {
        self.answers.iter().filter(|(_, answer)| answer.is_some()).count()
    }

    /// The number of sessions that were asked and did not answer.
    pub fn failed(&self) -> usize {
        self.answers.len() - self.answered()
    }

    /// The column of the answers that `of` takes from each session.
    pub fn column(&self, of: fn(&Session) -> Option<&str>) -> Vec<Option<&str>> {
        self.answers.iter().map(|(_, session)| session.as_ref().and_then(of)).collect()
    }

    fn note(&mut self, id: BridgeId, answer: Option<Session>) {
        self.answers.push((id, answer));
        self.ended.push(Instant::now());
    }
}

impl Listing {
    /// The bridges listed without a status, sorted by customer_ref. Bridges that share a customer_ref are left out, with a
    /// status or without, because a call by customer_ref does not tell their sessions apart.
    pub fn without_status(&self) -> Vec<(BridgeId, CustomerRef)> {
        let named = self.bridges.iter().filter_map(|bridge| Some((bridge.customer_ref.as_ref()?, bridge)));
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|(customer_ref, _)| *customer_ref);
        let groups = named.chunk_by(|(a, _), (b, _)| a == b);
        groups
            .filter_map(|group| match group {
                [(customer_ref, bridge)] if bridge.raw_status.is_none() => {
                    Some((bridge.id, (*customer_ref).clone()))
                }
                _ => None,
            })
            .collect()
    }
}

impl ReadClient {
    /// Asks these bridges for their status, in this order. A bridge that fails does not affect the others.
    ///
    /// # Errors
    /// [`Error::Auth`] if the provider refuses the key.
    pub async fn poll(
        &self,
        bridges: Vec<(BridgeId, CustomerRef)>,
        budget: PollBudget,
    ) -> Result<Polled, Error> {
        let mut polled = Polled::default();
        let mut silent_in_a_row = 0;
        let mut skipped = false;
        let ends = Ends::of(budget);
        let (running, turn) = (Mutex::new(BTreeSet::new()), futures::lock::Mutex::new(()));
        let (running, turn) = (&running, &turn);
        let mut answers = futures::stream::iter(bridges)
            .map(|(id, customer_ref)| async move {
                if !self.wait_for_turn(turn, ends).await {
                    return (id, None);
                }
                // The call takes its place in the throttle at once, so no other call can take it in between.
                running.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                let answer = self.session(&customer_ref).await;
                running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                (id, Some(answer))
            })
            .buffer_unordered(AT_ONCE);
        while silent_in_a_row < GIVE_UP_AFTER {
            let next = match ends.last {
                None => Ok(answers.next().await),
                Some(last) => timeout_at(last.into(), answers.next()).await,
            };
            let (id, answer) = match next {
                Ok(Some((id, Some(answer)))) => (id, answer),
                Ok(Some((_, None))) => {
                    skipped = true;
                    continue;
                }
                Ok(None) => break,
                Err(_) => {
                    // Recorded as asked too: otherwise a session that always hangs would stay first.
                    let unanswered = running.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    unanswered.into_iter().for_each(|id| polled.note(id, None));
                    break;
                }
            };
            let error = match answer {
                Ok(session) => {
                    silent_in_a_row = 0;
                    polled.note(id, Some(session));
                    continue;
                }
                Err(error @ Error::Auth { .. }) => return Err(error),
                Err(error) => error,
            };
            let asked = !matches!(error, Error::Connect { .. } | Error::RateLimited { .. });
            if asked {
                // Recorded as asked, so that a session that always fails does not stay first in the order of polling.
                polled.note(id, None);
            }
            let silent = !asked || matches!(error, Error::Timeout { .. });
            silent_in_a_row = if silent { silent_in_a_row + 1 } else { 0 };
            polled.first_failure.get_or_insert(error);
        }
        let retry_after = self.duration_for(Class::Proxy, 1);
        if skipped && polled.answers.is_empty() && !retry_after.is_zero() {
            polled.first_failure.get_or_insert(Error::RateLimited { retry_after });
        }
        Ok(polled)
    }

    /// Waits until a call may leave; false if that is too late. One call waits at a time, so that a call which the end of the
    /// poll interrupts has been sent.
    async fn wait_for_turn(&self, turn: &futures::lock::Mutex<()>, ends: Ends) -> bool {
        if ends.further.is_none() {
            return true;
        }
        let _turn = turn.lock().await;
        loop {
            let wait = self.duration_for(Class::Proxy, 1);
            if ends.is_over(wait) {
                return false;
            }
            if wait.is_zero() {
                return true;
            }
            sleep(wait).await;
        }
    }
}

/// When a poll begins no further call, and when it ends.
#[derive(Clone, Copy)]
struct Ends {
    further: Option<Instant>,
    last: Option<Instant>,
}

impl Ends {
    fn of(budget: PollBudget) -> Self {
        let PollBudget::Within(time) = budget else { return Self { further: None, last: None } };
        let (now, reserved) = (Instant::now(), LAST_CALLS.min(time / 5));
        Self { further: now.checked_add(time.saturating_sub(reserved)), last: now.checked_add(time) }
    }

    /// Whether a call that must wait this long would begin too late.
    fn is_over(self, wait: Duration) -> bool {
        self.further.is_some_and(|end| Instant::now().checked_add(wait).is_none_or(|begin| begin > end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_begins_in_the_last_part_of_the_budget() {
        let ends = Ends::of(PollBudget::Within(Duration::from_secs(50)));
        assert!(!ends.is_over(Duration::from_secs(44)));
        assert!(ends.is_over(Duration::from_secs(46)));
        assert!(Ends::of(PollBudget::Within(Duration::ZERO)).is_over(Duration::ZERO));
        assert!(!Ends::of(PollBudget::Unlimited).is_over(Duration::from_secs(1 << 40)));
        let ends = Ends::of(PollBudget::Within(Duration::MAX));
        assert!(!ends.is_over(Duration::from_secs(60)), "an endless budget never ends");
    }

    #[test]
    fn bridges_without_status_and_with_a_unique_customer_ref_are_asked() {
        let list = r#"[
            {"id":1,"customer_ref":"b"},
            {"id":2,"customer_ref":"twice"},
            {"id":3,"customer_ref":"told","status":"connected"},
            {"id":4},
            {"id":5,"customer_ref":"twice","status":"qr"},
            {"id":6,"customer_ref":"a"}
        ]"#;
        let listing = crate::listing::listing(&list.into()).unwrap();
        let ids: Vec<i64> = listing.without_status().into_iter().map(|(id, _)| id.get()).collect();
        assert_eq!(ids, [6, 1]);
    }
}
