//! Sends requests: applies deadlines, the size cap, the throttle and retries. It is the only file that opens a socket to the provider.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{sleep, timeout};

use crate::cause::cause;
use crate::error::{Error, Phase};
use crate::request::{self, Answer, Call, Repeat};
use crate::retry::{self, RetryPolicy};
use crate::transport;
use crate::{
    ApiKey, BridgeDetail, BridgeId, Class, Config, CustomerRef, Limit, Listing, PairingCode, Phone,
    Provisioned, Session, Throttle, WebhookUrl,
};

/// Memory reserved for an announced length before any data arrives, at most, in bytes: a list of 160,000 bridges.
const MAX_RESERVED: usize = 16 * 1024 * 1024;

/// Reads the account. It has no method that writes, and cannot be converted to a [`Client`].
///
/// Clones share connections and throttle. Dropping the future of a call cancels the call and closes its connection.
#[derive(Clone)]
pub struct ReadClient {
    shared: Arc<Shared>,
}

/// Reads and changes the account. Clones share connections and throttle, also with their [`Client::reader`].
#[derive(Clone, Debug)]
pub struct Client {
    reader: ReadClient,
}

struct Shared {
    http: reqwest::Client,
    config: Config,
    key: ApiKey,
    authorization: HeaderValue,
    throttle: Mutex<Throttle>,
    /// How far the provider's clock is ahead of this machine's, by the newest answer with a `Date` header.
    ahead: Mutex<Option<TimeDelta>>,
}

impl ReadClient {
    /// Reads the CA file and the system's certificates, blocking. It opens no connection yet.
    ///
    /// # Errors
    /// [`Error::Config`] if one of them cannot be used.
    pub fn new(config: Config, key: ApiKey) -> Result<Self, Error> {
        let authorization = key.header().map_err(|error| Error::Config {
            what: "the API key cannot be sent in a header: copy it again".to_owned(),
            source: Some(error.into()),
        })?;
        let http = transport::http_client(&config, !config.api_url.is_https())?;
        let throttle = Mutex::new(Throttle::new(config.limits));
        Ok(Self {
            shared: Arc::new(Shared { http, config, key, authorization, throttle, ahead: Mutex::new(None) }),
        })
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
        self.shared.throttle().preload(class, at);
    }

    /// The time until the `n`-th further call of this class may leave; see [`Throttle::duration_for`].
    pub fn duration_for(&self, class: Class, n: usize) -> Duration {
        self.shared.throttle().duration_for(class, n, Instant::now())
    }

    /// How far the provider's clock is ahead of this machine's, to a second, by the newest answer with a `Date` header.
    /// `None` before such an answer.
    pub fn provider_ahead(&self) -> Option<TimeDelta> {
        *self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, call: Call<T>) -> Result<T, Error> {
        self.shared.call(&call).await
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

impl Shared {
    async fn call<T>(&self, call: &Call<T>) -> Result<T, Error> {
        match call.repeat() {
            Repeat::Safe => self.attempts(call, retry::SAFE_CALLS).await,
            Repeat::Never => self.attempts(call, retry::WRITES).await.map_err(Error::of_a_write),
        }
    }

    /// Makes the call and retries it. `spent` is the time that counts against `request_timeout`; waiting for the throttle does
    /// not count.
    async fn attempts<T>(&self, call: &Call<T>, policy: RetryPolicy) -> Result<T, Error> {
        let request = call.to_request(&self.config.api_url)?;
        let (mut spent, mut patience) = (Duration::ZERO, self.config.rate_limit_patience);
        let mut failed = 0;
        loop {
            let place = self.place(call.class, &mut patience).await?;
            let started = Instant::now();
            let left = self.config.request_timeout.saturating_sub(spent);
            let received = self.attempt(request.clone(), left).await;
            spent += started.elapsed();
            let (result, asked_wait) = match received {
                Ok(Received { answer, retry_after }) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    place.refused(retry_after.unwrap_or(self.limit(call.class).window));
                    continue;
                }
                Ok(Received { answer, retry_after }) => {
                    place.answered();
                    (call.read(&call.without_secret(answer)), retry_after)
                }
                Err(error) => {
                    if error.is_before_sending() {
                        place.never_used();
                    } else {
                        drop(place);
                    }
                    (Err(error), None)
                }
            };
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failed += 1;
            let pause = policy.pause_after(failed, &error, retry::jitter());
            let pause = pause.map(|pause| pause.max(asked_wait.unwrap_or_default()));
            match pause {
                Some(pause) if spent + pause < self.config.request_timeout => {
                    sleep(pause).await;
                    spent += pause;
                }
                _ => return Err(error),
            }
        }
    }

    /// Waits until a call of this class may leave. The part of the wait that is due to a 429 is subtracted from `patience`.
    async fn place(&self, class: Class, patience: &mut Duration) -> Result<Place<'_>, Error> {
        loop {
            let wait = {
                let (mut throttle, now) = (self.throttle(), Instant::now());
                let blocked = throttle.blocked_for(class, now);
                let Some(patience_left) = patience.checked_sub(blocked) else {
                    return Err(Error::RateLimited { retry_after: blocked });
                };
                match throttle.try_acquire(class, now) {
                    Ok(()) => return Ok(Place { shared: self, class, end: PlaceEnd::GivenUp }),
                    Err(wait) => {
                        *patience = patience_left;
                        wait
                    }
                }
            };
            sleep(wait).await;
        }
    }

    async fn attempt(&self, request: http::Request<Bytes>, left: Duration) -> Result<Received, Error> {
        let started = Instant::now();
        let mut request = reqwest::Request::try_from(request).map_err(|error| Error::Config {
            what: "the request cannot be written: check the API URL".to_owned(),
            source: Some(error.without_url().into()),
        })?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        let mut response = self
            .within(left, Phase::Headers, self.http.execute(request))
            .await?
            .map_err(|e| self.unsent(e))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        if let Some(ahead) = ahead(response.headers()) {
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
        let location = response.headers().get(header::LOCATION).map(|to| self.redacted(to.as_bytes()));
        let left = left.saturating_sub(started.elapsed());
        let body = self.within(left, Phase::Body, self.body(&mut response)).await??;
        Ok(Received { answer: Answer { status, location, body: self.key.redact(body) }, retry_after })
    }

    async fn within<T>(
        &self,
        left: Duration,
        phase: Phase,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let after = self.config.request_timeout;
        timeout(left, work).await.map_err(|_| Error::Timeout { phase, after })
    }

    /// Reads the body and counts its decompressed bytes, because Content-Length gives the compressed length.
    async fn body(&self, response: &mut reqwest::Response) -> Result<Bytes, Error> {
        let limit = self.config.max_response_size;
        let announced = response.content_length().unwrap_or(0);
        if announced > limit {
            return Err(Error::TooLarge { limit });
        }
        // Reserving avoids copying a large list when the buffer grows. The cap limits the harm of a wrong Content-Length.
        let expected = usize::try_from(announced).unwrap_or(MAX_RESERVED).min(MAX_RESERVED);
        let mut body = BytesMut::with_capacity(expected);
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                return Err(Error::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn unsent(&self, error: reqwest::Error) -> Error {
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => {
                Error::Timeout { phase: Phase::Connect, after: transport::connect_timeout(&self.config) }
            }
            (true, false) => {
                Error::Connect { place: self.place_of_provider(), source: cause(&error.without_url()).into() }
            }
            (false, _) => broken(error),
        }
    }

    /// The host and port, the proxy, and the file of authorities.
    fn place_of_provider(&self) -> String {
        let place = self.config.api_url.place();
        let proxy = self.config.proxy.as_ref().map(|proxy| format!(" through the proxy {}", proxy.place()));
        let file = self.config.ca_file.as_ref().map(|file| format!(" with the CA file {}", file.display()));
        place + &proxy.unwrap_or_default() + &file.unwrap_or_default()
    }

    fn redacted(&self, header: &[u8]) -> String {
        String::from_utf8_lossy(&self.key.redact(Bytes::copy_from_slice(header))).into_owned()
    }

    fn limit(&self, class: Class) -> Limit {
        self.config.limits.of(class)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer, and the wait that its Retry-After header asks for.
struct Received {
    answer: Answer,
    retry_after: Option<Duration>,
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry::retry_after(headers.get(header::RETRY_AFTER)?.to_str().ok()?, Utc::now())
}

fn ahead(headers: &HeaderMap) -> Option<TimeDelta> {
    let date = DateTime::parse_from_rfc2822(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    Some(date.to_utc().signed_duration_since(Utc::now()))
}

fn broken(error: reqwest::Error) -> Error {
    Error::Broken { source: error.without_url().into() }
}

/// A place in the throttle. Dropping it ends the call for the throttle, so a cancelled call counts too.
struct Place<'a> {
    shared: &'a Shared,
    class: Class,
    end: PlaceEnd,
}

#[derive(Clone, Copy)]
enum PlaceEnd {
    Answered,
    GivenUp,
    NotCounted,
}

impl Place<'_> {
    /// The provider answered, so it counted the call.
    fn answered(mut self) {
        self.end = PlaceEnd::Answered;
    }

    /// The call did not reach the provider.
    fn never_used(mut self) {
        self.end = PlaceEnd::NotCounted;
    }

    /// The provider answered 429: it did not count the call, and refuses further ones for the time `wait`.
    fn refused(mut self, wait: Duration) {
        self.end = PlaceEnd::NotCounted;
        let now = Instant::now();
        if let Some(until) = now.checked_add(wait) {
            self.shared.throttle().block(self.class, until);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut throttle = self.shared.throttle();
        match self.end {
            PlaceEnd::Answered => throttle.finish(self.class, Instant::now()),
            PlaceEnd::GivenUp => throttle.give_up(self.class, Instant::now()),
            PlaceEnd::NotCounted => throttle.give_back(self.class),
        }
    }
}

impl fmt::Debug for ReadClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadClient").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
