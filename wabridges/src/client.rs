//! The calls of the API, each a method. Reading and writing are two types, so that a plan cannot change anything.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::call::Call;
use crate::error::Error;
use crate::request;
use crate::sender::Sender;
use crate::{
    ApiKey, BridgeDetail, BridgeId, Class, Config, CustomerRef, Listing, PairingCode, Phone, Provisioned,
    Session, WebhookUrl,
};

/// Reads the account. It has no method that writes, and cannot be converted to a [`Client`].
///
/// Clones share connections and throttle. Dropping the future of a call cancels the call and closes its connection.
#[derive(Clone)]
pub struct ReadClient {
    sender: Arc<Sender>,
}

/// Reads and changes the account. Clones share connections and throttle, also with their [`Client::reader`].
#[derive(Clone, Debug)]
pub struct Client {
    reader: ReadClient,
}

impl ReadClient {
    /// Reads the CA file and the system's certificates, blocking. It opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Config`] if one of them cannot be used.
    pub fn new(config: Config, key: ApiKey) -> Result<Self, Error> {
        Ok(Self { sender: Arc::new(Sender::new(config, key)?) })
    }

    /// Lists the whole fleet. Rows that cannot be read are in [`Listing::malformed`].
    ///
    /// # Errors
    /// Any but [`Error::NotFound`] and [`Error::Ambiguous`]; a list that is not complete is an error.
    pub async fn list(&self) -> Result<Listing, Error> {
        self.call(request::list()).await
    }

    /// Reads one bridge.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no bridge has this id.
    pub async fn get(&self, id: BridgeId) -> Result<BridgeDetail, Error> {
        self.call(request::get(id)).await
    }

    /// Reads one bridge's WhatsApp session.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no bridge has this customer_ref.
    pub async fn session(&self, customer_ref: &CustomerRef) -> Result<Session, Error> {
        self.call(request::session(customer_ref)?).await
    }

    /// Reads the QR code to scan, as a PNG file. The provider has one only while the bridge is unpaired.
    pub async fn qr(&self, customer_ref: &CustomerRef) -> Result<Vec<u8>, Error> {
        self.call(request::qr(customer_ref)?).await
    }

    /// Counts a call of an earlier run or another process, which ended at the time `at`, against the limits.
    pub fn preload(&self, class: Class, at: Instant) {
        self.sender.throttle().preload(class, at);
    }

    /// The time until the `n`-th further call of this class may leave; see [`Throttle::duration_for`].
    pub fn duration_for(&self, class: Class, n: usize) -> Duration {
        self.sender.throttle().duration_for(class, n, Instant::now())
    }

    /// How far the provider's clock is ahead of this machine's, to a second, by the newest answer with a `Date` header.
    /// `None` before such an answer.
    pub fn provider_ahead(&self) -> Option<TimeDelta> {
        self.sender.ahead()
    }

    async fn call<T>(&self, call: Call<T>) -> Result<T, Error> {
        self.sender.call(&call).await
    }
}

impl Client {
    /// See [`ReadClient::new`].
    pub fn new(config: Config, key: ApiKey) -> Result<Self, Error> {
        Ok(Self { reader: ReadClient::new(config, key)? })
    }

    /// The same account, connections and throttle, without the methods that write.
    pub fn reader(&self) -> &ReadClient {
        &self.reader
    }

    /// Provisions the bridge of this customer_ref. If one exists, the provider returns it; the answer does not tell the two
    /// cases apart. A new bridge costs money.
    ///
    /// # Errors
    /// After [`Error::Ambiguous`], list the fleet before any other call.
    pub async fn provision(
        &self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<Provisioned, Error> {
        self.reader.call(request::provision(customer_ref, webhook_url)?).await
    }

    /// As [`Client::provision`], with a webhook_url that may hold a signature: no error shows it, even if the provider echoes it.
    ///
    /// # Errors
    /// After [`Error::Ambiguous`], list the fleet before any other call.
    pub async fn provision_signed(
        &self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&WebhookUrl>,
    ) -> Result<Provisioned, Error> {
        let call = request::provision(customer_ref, webhook_url.map(WebhookUrl::as_str))?;
        self.reader.call(call.hiding(webhook_url.and_then(WebhookUrl::secret))).await
    }

    /// Stops and removes a bridge permanently. Its customer must pair again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no bridge has this id.
    pub async fn delete(&self, id: BridgeId) -> Result<(), Error> {
        self.reader.call(request::delete(id)).await
    }

    /// Requests a code that the customer types on the phone under Linked Devices.
    pub async fn pair(&self, customer_ref: &CustomerRef, phone: &Phone) -> Result<PairingCode, Error> {
        self.reader.call(request::pair(customer_ref, phone)?).await
    }

    /// Unpairs a bridge and destroys its session; the bridge stays.
    pub async fn logout(&self, customer_ref: &CustomerRef) -> Result<(), Error> {
        self.reader.call(request::logout(customer_ref)?).await
    }
}

impl fmt::Debug for ReadClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadClient").field("config", self.sender.config()).finish_non_exhaustive()
    }
}
