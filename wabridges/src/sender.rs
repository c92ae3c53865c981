//! Sends requests: applies deadlines, the size cap, the throttle and retries. It is the only file that opens a socket to the provider.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{sleep, timeout};

use crate::call::{Answer, Call, Repeat};
use crate::cause::cause;
use crate::error::{Error, Phase};
use crate::place::{self, Place};
use crate::retry::{self, RetryPolicy};
use crate::transport;
use crate::{ApiKey, Class, Config, Limit, Throttle};

/// Memory reserved for an announced length before any data arrives, at most, in bytes: a list of 160,000 bridges.
const MAX_RESERVED: usize = 16 * 1024 * 1024;

/// Sends the requests of one account: its connections, its throttle and the provider's clock.
pub struct Sender {
    http: reqwest::Client,
    config: Config,
    key: ApiKey,
    authorization: HeaderValue,
    throttle: Mutex<Throttle>,
    /// How far the provider's clock is ahead of this machine's, by the newest answer with a `Date` header.
    ahead: Mutex<Option<TimeDelta>>,
}

impl Sender {
    pub fn new(config: Config, key: ApiKey) -> Result<Self, Error> {
        let authorization = key.header().map_err(|error| Error::Config {
            what: "the API key cannot be sent in a header: copy it again".to_owned(),
            source: Some(error.into()),
        })?;
        let http = transport::http_client(&config, !config.api_url.is_https())?;
        let throttle = Mutex::new(Throttle::new(config.limits));
        Ok(Self { http, config, key, authorization, throttle, ahead: Mutex::new(None) })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn throttle(&self) -> MutexGuard<'_, Throttle> {
        place::lock(&self.throttle)
    }

    /// How far the provider's clock is ahead, by the newest answer.
    pub fn ahead(&self) -> Option<TimeDelta> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn call<T>(&self, call: &Call<T>) -> Result<T, Error> {
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
                    Ok(()) => return Ok(Place::of(&self.throttle, class)),
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
    Error::Broken { source: cause(&error.without_url()).into() }
}
