//! What one SQL function asks of the provider, as one call from the backend's view. Nothing here touches the database.

use std::cell::RefCell;
use std::future::Future;

use futures::StreamExt;
use wabridges::{Bridge, BridgeId, Client, Config, CustomerRef, Error, Listing, ReadClient};

use crate::error::Raise;
use crate::{http, settings};

/// Calls under way at once while polling; the throttle sets the pace, this only hides latency.
const POLLS_AT_ONCE: usize = 16;
/// Failures in a row after which polling gives up: the provider is down, not one bridge.
const GIVE_UP_AFTER: usize = 5;

thread_local! {
    /// One client per backend, rebuilt when the settings or the key change. Only the main thread has one.
    static CLIENT: RefCell<Option<(Config, String, Client)>> = const { RefCell::new(None) };
}

fn client() -> Result<Client, Raise> {
    let config = settings::config()?;
    let key = settings::api_key()?;
    CLIENT.with_borrow_mut(|cached| {
        if let Some((for_config, for_key, client)) = cached
            && *for_config == config
            && *for_key == key.fingerprint()
        {
            return Ok(client.clone());
        }
        let fingerprint = key.fingerprint();
        let client = Client::new(config.clone(), key)?;
        *cached = Some((config, fingerprint, client.clone()));
        Ok(client)
    })
}

/// Runs what `call` does with the client, cancel-safe.
pub fn call<T, F>(call: impl FnOnce(Client) -> F) -> Result<T, Raise>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    Ok(http::wait(call(client()?))??)
}

/// A bridge that is there now, and whether it was before.
pub struct Provisioned {
    /// The provider's id.
    pub id: BridgeId,
    /// The container's state.
    pub state: Option<String>,
    /// The session's status, when it could be learnt.
    pub raw_status: Option<String>,
    /// Who created it.
    pub outcome: Outcome,
}

/// Whether a call created the bridge or found it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not listed before.
    Created,
    /// It was listed already.
    Existing,
}

impl Outcome {
    /// As shown in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Existing => "existing",
        }
    }
}

/// Looks the customer_ref up, and provisions a bridge only if none is listed. A lost answer is settled by looking again.
pub async fn provision(
    client: Client,
    customer_ref: CustomerRef,
    webhook_url: Option<String>,
) -> Result<Provisioned, Error> {
    if let Some(bridge) = find(client.reader().list().await?, &customer_ref) {
        return Ok(with_status(client.reader(), bridge, Outcome::Existing).await);
    }
    let bridge = match client.provision(&customer_ref, webhook_url.as_deref()).await {
        Ok(new) => Bridge {
            id: new.id,
            customer_ref: Some(new.customer_ref),
            state: new.state,
            raw_status: None,
            created_at: None,
            raw: "{}".into(),
        },
        Err(error) if error.is_ambiguous() => {
            find(client.reader().list().await?, &customer_ref).ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    Ok(with_status(client.reader(), bridge, Outcome::Created).await)
}

/// The oldest listed bridge with this customer_ref.
fn find(listing: Listing, customer_ref: &CustomerRef) -> Option<Bridge> {
    listing.bridges.into_iter().find(|bridge| bridge.customer_ref.as_ref() == Some(customer_ref))
}

/// Asks for the status when the list did not bring it. Not knowing it is no failure: it is learnt later.
async fn with_status(reader: &ReadClient, bridge: Bridge, outcome: Outcome) -> Provisioned {
    let raw_status = match (bridge.raw_status, bridge.customer_ref) {
        (None, Some(customer_ref)) => {
            reader.session(&customer_ref).await.ok().map(|session| session.raw_status)
        }
        (raw_status, _) => raw_status,
    };
    Provisioned { id: bridge.id, state: bridge.state, raw_status, outcome }
}

/// Deletes a bridge if it carries exactly this customer_ref; otherwise returns the one it carries.
pub async fn delete(client: Client, id: BridgeId, customer_ref: CustomerRef) -> Result<Deletion, Error> {
    let live = client.reader().get(id).await?.bridge;
    if live.customer_ref.as_ref() != Some(&customer_ref) {
        return Ok(Deletion::Refused { carries: live.customer_ref });
    }
    client.delete(id).await?;
    Ok(Deletion::Deleted)
}

/// What became of a deletion.
pub enum Deletion {
    /// The provider confirmed it.
    Deleted,
    /// The live bridge carries another customer_ref, or none.
    Refused {
        /// The one it carries.
        carries: Option<CustomerRef>,
    },
}

/// Statuses learnt by asking the sessions themselves.
#[derive(Default)]
pub struct Polled {
    /// What they answered.
    pub answers: Vec<(BridgeId, String)>,
    /// How many did not answer.
    pub failed: usize,
    /// Why the first of them did not.
    pub first_failure: Option<Error>,
}

/// Asks these bridges for their status, several at once. One that fails does not fail the rest; a refused key ends it.
pub async fn poll(reader: ReadClient, bridges: Vec<(BridgeId, CustomerRef)>) -> Result<Polled, Error> {
    let mut polled = Polled::default();
    let mut failed_in_a_row = 0;
    let mut answers = futures::stream::iter(bridges)
        .map(|(id, customer_ref)| {
            let reader = reader.clone();
            async move { (id, reader.session(&customer_ref).await) }
        })
        .buffer_unordered(POLLS_AT_ONCE);
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(session) => {
                failed_in_a_row = 0;
                polled.answers.push((id, session.raw_status));
            }
            Err(error @ Error::Auth { .. }) => return Err(error),
            Err(error) => {
                failed_in_a_row += usize::from(error.is_retryable());
                polled.failed += 1;
                polled.first_failure.get_or_insert(error);
                if failed_in_a_row >= GIVE_UP_AFTER {
                    break;
                }
            }
        }
    }
    match polled.first_failure {
        Some(error) if polled.answers.is_empty() => Err(error),
        _ => Ok(polled),
    }
}
