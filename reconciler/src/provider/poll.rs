//! Asking sessions for the statuses that the list did not bring; whom to ask, and what is stored, the database decides.

use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use wabridges::{BridgeId, CustomerRef, Error as ClientError, Listing, ReadClient};

use crate::model::error::Error;
use crate::model::polled::Polled;

/// Calls under way at once; the throttle sets the pace, this only hides latency.
const AT_ONCE: usize = 16;
/// So many in a row without an answer from the provider itself, and no more are asked this time.
const GIVE_UP_AFTER: usize = 5;

/// The listed bridges whose status the list did not bring, and whose session is theirs alone.
pub fn without_status(listing: &Listing) -> Vec<(BridgeId, CustomerRef)> {
    let mut bridges: Vec<(BridgeId, &CustomerRef, Option<&str>)> = listing
        .bridges
        .iter()
        .filter_map(|bridge| Some((bridge.id, bridge.customer_ref.as_ref()?, bridge.raw_status.as_deref())))
        .collect();
    bridges.sort_by_key(|(_, customer_ref, _)| *customer_ref);
    bridges
        .chunk_by(|(_, a, _), (_, b, _)| a == b)
        .filter_map(|same| match same {
            [(id, customer_ref, None)] => Some((*id, (*customer_ref).clone())),
            _ => None,
        })
        .collect()
}

/// Asks these bridges, several at once. One that fails does not fail the rest; a refused key does.
pub async fn ask(
    client: &ReadClient,
    bridges: Vec<(BridgeId, CustomerRef)>,
    asked_at: DateTime<Utc>,
) -> Result<Polled, Error> {
    let chosen = bridges.len();
    let mut polled = Polled {
        asked_at,
        answers: Vec::with_capacity(chosen),
        chosen,
        first_failure: None,
        calls: Vec::new(),
    };
    let mut silent_in_a_row = 0;
    let mut answers = futures::stream::iter(bridges)
        .map(|(id, customer_ref)| async move { (id, client.session(&customer_ref).await) })
        .buffer_unordered(AT_ONCE);
    while silent_in_a_row < GIVE_UP_AFTER
        && let Some((id, answer)) = answers.next().await
    {
        let error = match answer {
            Ok(session) => {
                silent_in_a_row = 0;
                polled.answers.push((id, Some(session.raw_status)));
                polled.calls.push(Instant::now());
                continue;
            }
            Err(error @ ClientError::Auth { .. }) => {
                return Err(Error::provider("cannot ask the sessions for their status")(error));
            }
            Err(error) => error,
        };
        let asked = !matches!(error, ClientError::Connect { .. } | ClientError::RateLimited { .. });
        if asked {
            // A session that hangs or fails must not be the first in the queue for ever.
            polled.answers.push((id, None));
            polled.calls.push(Instant::now());
        }
        silent_in_a_row = match error {
            _ if !asked => silent_in_a_row + 1,
            ClientError::Timeout { .. } => silent_in_a_row + 1,
            _ => 0,
        };
        polled.first_failure.get_or_insert(error);
    }
    Ok(polled)
}

#[cfg(test)]
mod tests {
    use wabridges::Bridge;

    use super::*;

    fn bridge(id: i64, customer_ref: Option<&str>, raw_status: Option<&str>) -> Bridge {
        Bridge {
            id: BridgeId::new(id).unwrap(),
            customer_ref: customer_ref.map(|text| CustomerRef::new(text).unwrap()),
            state: None,
            raw_status: raw_status.map(Into::into),
            created_at: None,
            raw: Default::default(),
        }
    }

    #[test]
    fn only_a_session_that_can_be_told_apart_is_asked_and_only_where_the_list_is_silent() {
        let bridges = vec![
            bridge(1, Some("b"), None),
            bridge(2, Some("twice"), None),
            bridge(3, Some("told"), Some("connected")),
            bridge(4, None, None),
            bridge(5, Some("twice"), Some("qr")),
            bridge(6, Some("a"), None),
        ];
        let ids: Vec<i64> = without_status(&Listing { bridges, malformed: vec![] })
            .into_iter()
            .map(|(id, _)| id.get())
            .collect();
        assert_eq!(ids, [6, 1]);
    }
}
