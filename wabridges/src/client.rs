//! The only file that opens a socket: deadlines, the size cap, repeating; what is sent and how it is read, `request` says.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{sleep, timeout};

use crate::error::{Error, Phase};
use crate::request::{self, Answer, Call, Repeat};
use crate::retry::{self, RetryPolicy};
use crate::transport;
use crate::{
    ApiKey, BridgeDetail, BridgeId, Class, Config, CustomerRef, Limit, Listing, PairingCode, Phone,
    Provisioned, Session, Throttle,
};

/// How much memory an announced length may set aside before anything came, in bytes: a list of 160,000 bridges.
const MAX_RESERVED: usize = 16 * 1024 * 1024;

/// Looks at the account. It has no method that writes, and cannot be turned into a [`Client`].
///
/// Clones share connections and throttle. Dropping a call's future cancels the call; nothing goes on without it.
#[derive(Clone)]
pub struct ReadClient {
    shared: Arc<Shared>,
}

/// Looks and writes. Clones share connections and throttle, with each other and with their [`Client::reader`].
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
    /// How far the provider's clock was ahead of this machine's when it last told the time.
    ahead: Mutex<Option<TimeDelta>>,
}

impl ReadClient {
    /// Connects to nobody yet; reads the CA file and the system's certificates, blocking.
    ///
    /// # Errors
    /// [`Error::Config`] when one of them cannot be used.
    pub fn new(config: Config, key: ApiKey) -> Result<Self, Error> {
        let authorization = key.header().map_err(|error| Error::Config {
            what: "the API key cannot be sent in a header: copy it again".to_owned(),
            source: Some(error.into()),
        })?;
        let http = transport::http_client(&config)?;
        let throttle = Mutex::new(Throttle::new(config.limits));
        Ok(Self {
            shared: Arc::new(Shared { http, config, key, authorization, throttle, ahead: Mutex::new(None) }),
        })
    }

    /// The whole fleet, from a complete 200 answer; rows that make no sense are in [`Listing::malformed`].
    pub async fn list(&self) -> Result<Listing, Error> {
        self.call(request::list()).await
    }

    /// One bridge; [`Error::NotFound`] if there is none of this id.
    pub async fn get(&self, id: BridgeId) -> Result<BridgeDetail, Error> {
        self.call(request::get(id)).await
    }

    /// One bridge's WhatsApp session; [`Error::NotFound`] if no bridge has this customer_ref.
    pub async fn session(&self, customer_ref: &CustomerRef) -> Result<Session, Error> {
        self.call(request::session(customer_ref)?).await
    }

    /// The QR code to scan, as a PNG file. The provider has one only while the bridge is unpaired.
    pub async fn qr(&self, customer_ref: &CustomerRef) -> Result<Vec<u8>, Error> {
        self.call(request::qr(customer_ref)?).await
    }

    /// Counts a call of an earlier run or another process, which ended `at` that time, against the limits.
    pub fn preload(&self, class: Class, at: Instant) {
        self.shared.throttle().preload(class, at);
    }

    /// The time until the `n`-th further call of this class may leave; see [`Throttle::duration_for`].
    pub fn duration_for(&self, class: Class, n: usize) -> Duration {
        self.shared.throttle().duration_for(class, n, Instant::now())
    }

    /// How far the provider's clock is ahead of this machine's, to a second, by the `Date` of its last answer.
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

    /// Makes this customer_ref's bridge, or finds the one there is: the provider does not say which. It costs money.
    /// On [`Error::Ambiguous`], list before doing anything else.
    pub async fn provision(
        &self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<Provisioned, Error> {
        self.reader.call(request::provision(customer_ref, webhook_url)?).await
    }

    /// Stops and removes a bridge for good; the customer must pair again.
    pub async fn delete(&self, id: BridgeId) -> Result<(), Error> {
        self.reader.call(request::delete(id)).await
    }

    /// A code to type on the phone under Linked Devices.
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

    /// `spent` is what counts against `request_timeout`; the waits for the throttle do not.
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
                    (call.read(&answer), retry_after)
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

    /// Waits until a call of this class may leave. The part of the wait that a 429 asked for is taken from `patience`.
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

    /// Counts decompressed bytes as they come; a compressed body's length is not known beforehand.
    async fn body(&self, response: &mut reqwest::Response) -> Result<Bytes, Error> {
        let limit = self.config.max_response_size;
        let announced = response.content_length().unwrap_or(0);
        if announced > limit {
            return Err(Error::TooLarge { limit });
        }
        // Growing by doubling would copy a large list several times; but memory is not set aside on a mere promise of much.
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
            (true, false) => Error::Connect { source: error.without_url().into() },
            (false, _) => broken(error),
        }
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

/// An answer and what it asks of the next attempt.
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

/// A place in the throttle. It counts from when it is dropped, so that a cancelled call counts too.
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
    /// The provider has seen it.
    fn answered(mut self) {
        self.end = PlaceEnd::Answered;
    }

    /// Nothing reached the provider.
    fn never_used(mut self) {
        self.end = PlaceEnd::NotCounted;
    }

    /// The provider answered 429: it did not count this call, and takes no other for a while.
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
