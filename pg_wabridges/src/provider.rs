//! Makes the provider calls of one SQL function as one job of the helper thread. It never reads or writes a table.

use std::cell::RefCell;
use std::future::Future;

use chrono::{DateTime, Utc};
use wabridges::{
    Bridge, BridgeId, Client, Config, CustomerRef, Error, Listing, Made, PairingCode, Phone, ReadClient,
    Session, WebhookUrl, resolve,
};

use crate::answers::{Outcome, Provisioned};
use crate::error::Raise;
use crate::http::Pending;
use crate::{http, server, settings};

thread_local! {
    /// The backend's client, rebuilt when the settings or the key change. Only the main thread uses it.
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

/// Starts `call` on the HTTP thread; PostgreSQL may cancel the wait for it. On a standby it raises 25006 instead.
pub fn begin<T, F>(call: impl FnOnce(Client) -> F) -> Result<Pending<Result<T, Error>>, Raise>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    server::require_primary()?;
    http::begin(call(client()?))
}

/// Starts `call` on the HTTP thread and waits for its result.
pub fn call<T, F>(call: impl FnOnce(Client) -> F) -> Result<T, Raise>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    Ok(begin(call)?.wait()??)
}

/// As [`call`], for a call about one tenant, which its errors name.
pub fn call_for<T, F>(customer_ref: &CustomerRef, call: impl FnOnce(Client) -> F) -> Result<T, Raise>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let subject = format!("tenant {}", customer_ref.as_str());
    self::call(call).map_err(|raise| raise.about(&subject))
}

/// Lists the whole fleet, with the listing's SHA-256.
pub async fn list(client: Client) -> Result<(Listing, String), Error> {
    let listing = client.reader().list().await?;
    let listing_sha256 = listing.sha256();
    Ok((listing, listing_sha256))
}

/// Lists the fleet, and provisions a bridge only if none carries the customer_ref. If the answer is lost, it lists again to
/// find the bridge. Of several bridges with the customer_ref it returns the one that the tenant row holds (`stored`), or else
/// the one with the lowest id.
pub async fn provision(client: Client, wish: Wish) -> Result<Provisioned, Error> {
    let listing = client.reader().list().await?;
    let may_be_hidden = !listing.malformed.is_empty();
    if let Some(found) = find(listing, &wish) {
        return Ok(with_status(client.reader(), found, Outcome::Existing).await);
    }
    let answer = client.provision_signed(&wish.customer_ref, wish.webhook_url.as_ref()).await;
    let made = match resolve(answer, client.reader().list(), |listing| find(listing, &wish)).await? {
        Made::Answered(new) => {
            Found { id: new.id, state: new.state, raw_status: None, ask: Some(wish.customer_ref) }
        }
        Made::Listed(found) => found,
    };
    // A listed row that could not be read may be this bridge, so the bridge is not known to be new.
    let outcome = if may_be_hidden { Outcome::Existing } else { Outcome::Created };
    Ok(with_status(client.reader(), made, outcome).await)
}

/// The arguments of [`provision`].
pub struct Wish {
    /// The tenant's id as text.
    pub customer_ref: CustomerRef,
    /// The webhook_url to set if the bridge is created.
    pub webhook_url: Option<WebhookUrl>,
    /// The bridge_id that the tenant row holds.
    pub stored: Option<i64>,
}

/// A listed or new bridge.
struct Found {
    id: BridgeId,
    state: Option<String>,
    raw_status: Option<String>,
    /// The customer_ref to ask for the status; `None` if several bridges carry it, so that it names no single session.
    ask: Option<CustomerRef>,
}

fn find(listing: Listing, wish: &Wish) -> Option<Found> {
    let mut same: Vec<Bridge> = listing
        .bridges
        .into_iter()
        .filter(|bridge| bridge.customer_ref.as_ref() == Some(&wish.customer_ref))
        .collect();
    let ask = (same.len() == 1).then(|| wish.customer_ref.clone());
    let nth = same.iter().position(|bridge| Some(bridge.id.get()) == wish.stored).unwrap_or(0);
    (nth < same.len()).then(|| same.swap_remove(nth)).map(|bridge| Found {
        id: bridge.id,
        state: bridge.state.map(Into::into),
        raw_status: bridge.raw_status.map(Into::into),
        ask,
    })
}

/// Asks for the status if the list did not carry it. A failure is ignored: a later poll asks again.
async fn with_status(reader: &ReadClient, found: Found, outcome: Outcome) -> Provisioned {
    let session = match (&found.raw_status, found.ask) {
        (None, Some(customer_ref)) => reader.session(&customer_ref).await.ok(),
        _ => None,
    };
    let told = session.as_ref().map(|session| session.raw_status.clone());
    Provisioned { id: found.id, state: found.state, raw_status: found.raw_status.or(told), session, outcome }
}

/// Deletes a bridge if it carries exactly this customer_ref; otherwise returns the one it carries. If the answer is lost, it looks
/// whether a complete list lacks the bridge.
pub async fn delete(client: Client, id: BridgeId, customer_ref: CustomerRef) -> Result<Deletion, Error> {
    let live = client.reader().get(id).await?.bridge;
    if live.customer_ref.as_ref() != Some(&customer_ref) {
        return Ok(Deletion::Refused { carries: live.customer_ref });
    }
    match client.delete(id).await {
        Err(error) if error.is_ambiguous() => match client.reader().list().await {
            Ok(listing) if listing.lacks(id) => Ok(Deletion::Deleted),
            _ => Err(error),
        },
        answer => answer.map(|()| Deletion::Deleted),
    }
}

/// The result of a deletion.
pub enum Deletion {
    /// The provider confirmed the deletion.
    Deleted,
    /// The live bridge carries another customer_ref, or none.
    Refused {
        /// The customer_ref that it carries.
        carries: Option<CustomerRef>,
    },
}

/// The QR code of an unpaired bridge.
pub async fn qr(client: Client, customer_ref: CustomerRef) -> Result<Told<Vec<u8>>, Error> {
    let answer = client.reader().qr(&customer_ref).await;
    told(client.reader(), &customer_ref, answer).await
}

/// A code that pairs a bridge with this phone.
pub async fn pair(
    client: Client,
    customer_ref: CustomerRef,
    phone: Phone,
) -> Result<Told<PairingCode>, Error> {
    let answer = client.pair(&customer_ref, &phone).await;
    told(client.reader(), &customer_ref, answer).await
}

/// The code, or why the provider has none.
pub type Told<T> = Result<T, NoCode>;

/// The provider refused a code.
pub struct NoCode {
    /// The provider's answer.
    pub refusal: Error,
    /// The session, if it told its status.
    pub session: Option<Session>,
}

/// If the provider refused the request, asks for the session's status: the bridge may be paired already.
async fn told<T>(
    reader: &ReadClient,
    customer_ref: &CustomerRef,
    answer: Result<T, Error>,
) -> Result<Told<T>, Error> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(refusal @ Error::Refused { .. }) => {
            Ok(Err(NoCode { refusal, session: reader.session(customer_ref).await.ok() }))
        }
        Err(error) => Err(error),
    }
}

/// The status of a session after a logout.
pub struct LoggedOut {
    /// The status; `None` if the session did not answer.
    pub raw_status: Option<String>,
    /// When it was asked.
    pub asked_at: DateTime<Utc>,
}

/// Unpairs a bridge and asks its session for the new status.
pub async fn logout(client: Client, customer_ref: CustomerRef) -> Result<LoggedOut, Error> {
    client.logout(&customer_ref).await?;
    let asked_at = Utc::now();
    let session = client.reader().session(&customer_ref).await.ok();
    Ok(LoggedOut { raw_status: session.map(|session| session.raw_status), asked_at })
}
