//! Polls sessions for the statuses that the list did not carry, several at once.

use std::time::Instant;

use futures::StreamExt;

use crate::{BridgeId, CustomerRef, Error, Listing, ReadClient};

/// Calls running at once. They hide latency; the throttle limits the rate.
const AT_ONCE: usize = 16;
/// The poll ends after this many calls in a row that the provider did not answer.
const GIVE_UP_AFTER: usize = 5;

/// The answers of the polled sessions.
#[derive(Debug, Default)]
pub struct Polled {
    /// The bridges that were asked, and the status of each; `None` if the session did not answer. A bridge that the request did
    /// not reach is not included.
    pub answers: Vec<(BridgeId, Option<String>)>,
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

    fn note(&mut self, id: BridgeId, answer: Option<String>) {
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
    /// Asks these bridges for their status. A bridge that fails does not affect the others.
    ///
    /// # Errors
    /// [`Error::Auth`] if the provider refuses the key.
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
                // Recorded as asked, so that a session that always fails does not stay first in the order of polling.
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
