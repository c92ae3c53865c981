//! Asks sessions for the statuses that the list did not bring: which ones, several at once, and until when.

use std::time::Instant;

use futures::StreamExt;

use crate::{BridgeId, CustomerRef, Error, Listing, ReadClient};

/// Calls under way at once; the throttle sets the pace, this only hides latency.
const AT_ONCE: usize = 16;
/// So many in a row without an answer from the provider itself, and no more are asked this time.
const GIVE_UP_AFTER: usize = 5;

/// What sessions said of their status.
#[derive(Debug, Default)]
pub struct Polled {
    /// Who was asked, and what it answered. A session that could not be reached, or not yet, was not asked.
    pub answers: Vec<(BridgeId, Option<String>)>,
    /// When each of these calls ended.
    pub ended: Vec<Instant>,
    /// Why the first of those that did not answer did not.
    pub first_failure: Option<Error>,
}

impl Polled {
    /// How many answered.
    pub fn answered(&self) -> usize {
        self.answers.iter().filter(|(_, answer)| answer.is_some()).count()
    }

    /// How many did not answer.
    pub fn failed(&self) -> usize {
        self.answers.len() - self.answered()
    }

    fn note(&mut self, id: BridgeId, answer: Option<String>) {
        self.answers.push((id, answer));
        self.ended.push(Instant::now());
    }
}

impl Listing {
    /// The bridges that came without a status, sorted by customer_ref. Not those whose customer_ref several carry, with a
    /// status or without: it is not known which of their sessions would answer.
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
    /// Asks these bridges for their status. One that fails does not fail the rest; a refused key ends it with an error.
    ///
    /// # Errors
    /// [`Error::Auth`] when the provider refuses the key.
    pub async fn poll(&self, bridges: Vec<(BridgeId, CustomerRef)>) -> Result<Polled, Error> {
        let mut polled = Polled::default();
        let mut silent_in_a_row = 0;
        let mut answers = futures::stream::iter(bridges)
            .map(|(id, customer_ref)| async move { (id, self.session(&customer_ref).await) })
            .buffer_unordered(AT_ONCE);
        while silent_in_a_row < GIVE_UP_AFTER
            && let Some((id, answer)) = answers.next().await
        {
            let error = match answer {
                Ok(session) => {
                    silent_in_a_row = 0;
                    polled.note(id, Some(session.raw_status));
                    continue;
                }
                Err(error @ Error::Auth { .. }) => return Err(error),
                Err(error) => error,
            };
            let asked = !matches!(error, Error::Connect { .. } | Error::RateLimited { .. });
            if asked {
                // A session that hangs or fails must not be the first in the queue for ever.
                polled.note(id, None);
            }
            let silent = !asked || matches!(error, Error::Timeout { .. });
            silent_in_a_row = if silent { silent_in_a_row + 1 } else { 0 };
            polled.first_failure.get_or_insert(error);
        }
        Ok(polled)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_session_that_can_be_told_apart_is_asked_and_only_where_the_list_is_silent() {
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
