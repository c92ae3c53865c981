//! One call as a value: the request to send, and the reader of its answer. It never opens a socket.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde::Serialize;

use crate::api_key::redacted;
use crate::error::{Error, excerpt, said};
use crate::{ApiUrl, Class};

/// Whether a call may be repeated after its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The call changes nothing.
    Safe,
    /// The call changes something.
    Never,
}

/// Why the body of an answer cannot be read, as half a sentence.
pub(crate) type Fault = String;

/// Reads the body of an answer with an expected status.
type BodyReader<T> = Box<dyn Fn(&Bytes) -> Result<T, Fault> + Send + Sync>;

/// One call: its request, its class, and the reader of its answer.
pub(crate) struct Call<T> {
    method: Method,
    path: String,
    body: Option<Bytes>,
    /// The rate limit that the call counts against.
    pub class: Class,
    /// The bridge that the call names, if it names one. A 404 then means that there is no such bridge.
    names: Option<String>,
    /// A secret in the body, which an answer may echo.
    secret: Option<String>,
    read_body: BodyReader<T>,
}

/// A complete answer.
pub(crate) struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The target of a redirect.
    pub location: Option<String>,
    /// The whole body, decompressed.
    pub body: Bytes,
}

impl<T> Call<T> {
    /// A call without a body, counted as [`Class::Other`].
    pub fn new(
        method: Method,
        path: String,
        read_body: impl Fn(&Bytes) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            method,
            path,
            body: None,
            class: Class::Other,
            names: None,
            secret: None,
            read_body: Box::new(read_body),
        }
    }

    /// Names the bridge that a 404 means.
    pub fn naming(self, names: String) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Hides this secret in answers.
    pub fn hiding(self, secret: Option<&str>) -> Self {
        Self { secret: secret.map(str::to_owned), ..self }
    }

    /// The answer without the secret that the call sent.
    pub fn without_secret(&self, answer: Answer) -> Answer {
        let Some(secret) = &self.secret else { return answer };
        let location = answer.location.map(|location| location.replace(secret, "[redacted]"));
        Answer { body: redacted(answer.body, secret.as_bytes()), location, ..answer }
    }

    /// Counts it against the limit of this class.
    pub fn counted_as(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// Sends this body as JSON.
    pub fn sending(self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| unwritable(error.into()))?;
        Ok(Self { body: Some(body.into()), ..self })
    }

    /// Whether the call may be repeated: GET requests change nothing.
    pub fn repeat(&self) -> Repeat {
        if self.method == Method::GET { Repeat::Safe } else { Repeat::Never }
    }

    /// The HTTP request, without the Authorization header, which the client adds.
    pub fn to_request(&self, api_url: &ApiUrl) -> Result<http::Request<Bytes>, Error> {
        let url = format!("{api_url}{}", self.path);
        let request = http::Request::builder().method(self.method.clone()).uri(url);
        match &self.body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(body.clone()),
            None => request.body(Bytes::new()),
        }
        .map_err(|error| unwritable(error.into()))
    }

    /// Reads a complete answer. A reading call accepts status 200 only, so that a partial answer (206) is never taken for a
    /// complete one.
    pub fn read(&self, answer: &Answer) -> Result<T, Error> {
        let status = answer.status.as_u16();
        let bad = |what: String| Error::BadAnswer { status, what, excerpt: excerpt(&answer.body) };
        match (status, &self.names) {
            (401 | 403, _) => Err(Error::Auth { status, said: said(&answer.body) }),
            (404, Some(names)) => Err(Error::NotFound { what: names.clone() }),
            (404, None) => Err(bad("this path does not exist: check the API URL".to_owned())),
            (300..400, _) => Err(bad(redirect(answer.location.as_deref()))),
            (400..500, _) => Err(Error::Refused { status, said: said(&answer.body) }),
            (500..600, _) => Err(Error::Server { status, excerpt: excerpt(&answer.body) }),
            (201..300, _) if self.repeat() == Repeat::Never => (self.read_body)(&answer.body).map_err(bad),
            (200, _) => (self.read_body)(&answer.body).map_err(bad),
            _ => Err(bad("only status 200 is expected".to_owned())),
        }
    }
}

fn redirect(location: Option<&str>) -> String {
    let to = location.map_or("an unknown address".to_owned(), |location| excerpt(location.as_bytes()));
    format!("a redirect to {to}, which is not followed: check the API URL")
}

fn unwritable(source: crate::Cause) -> Error {
    Error::Config {
        what: "the request cannot be written: check the API URL".to_owned(),
        source: Some(source),
    }
}
