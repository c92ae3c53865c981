//! Does the work of each call: reads the body, changes the world, makes the answer. `http.rs` checks keys and limits.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::app::Shared;
use crate::bridge::{Bridge, CONNECTED, NewBridge};
use crate::change::Event;
use crate::listing::{Detail, StatusField};
use crate::qr;
use crate::route::{Call, Unserved};
use crate::world::Refusal;

/// The answer to a call and the webhook call that it causes.
#[derive(Debug)]
pub struct Done {
    pub answer: Answer,
    pub event: Option<Event>,
}

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        Self { answer, event: None }
    }
}

/// The input of a call.
pub struct Input<'a> {
    pub body: &'a [u8],
    pub status: StatusField,
    pub now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct ProvisionBody {
    customer_ref: String,
    #[serde(default)]
    webhook_url: Option<String>,
}

#[derive(Deserialize)]
struct PairBody {
    phone: String,
}

/// The reason why a call is answered with an error.
enum Failure {
    NotFound,
    Malformed(String),
    Conflict,
    Internal(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchBridge => Self::NotFound,
            Refusal::AlreadyPaired => Self::Conflict,
            Refusal::Impossible(why) => Self::Internal(why),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(format!("malformed body: {error}"))
    }
}

impl From<Failure> for Done {
    fn from(failure: Failure) -> Self {
        let (status, message) = match &failure {
            Failure::NotFound => (StatusCode::NOT_FOUND, "not found"),
            Failure::Malformed(why) => (StatusCode::BAD_REQUEST, why.as_str()),
            Failure::Conflict => (StatusCode::CONFLICT, "already paired"),
            Failure::Internal(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.as_str()),
        };
        answer::error(status, message).into()
    }
}

/// Does the work of a call, or answers why the provider does not serve it.
pub fn perform(shared: &mut Shared, target: &Result<Call, Unserved>, input: &Input<'_>) -> Done {
    match target {
        Ok(call) => call_world(shared, call, input).unwrap_or_else(Done::from),
        Err(Unserved::NotFound) => Failure::NotFound.into(),
        Err(Unserved::WrongMethod { allow }) => answer::wrong_method(allow).into(),
    }
}

fn call_world(shared: &mut Shared, call: &Call, input: &Input<'_>) -> Result<Done, Failure> {
    let world = &mut shared.world;
    let answer = match call {
        Call::Provision => {
            let body: ProvisionBody = object(input.body)?;
            if body.customer_ref.is_empty() {
                return Err(Failure::Malformed("customer_ref must not be empty".to_owned()));
            }
            let new = NewBridge::provisioned(body.customer_ref, body.webhook_url);
            let Bridge { id, customer_ref, state, .. } = world.provision(new, input.now)?;
            answer::json(StatusCode::OK, &json!({ "id": id, "customer_ref": customer_ref, "state": state }))
        }
        Call::List => {
            let body = shared.listing.plain(world).map_err(|error| Failure::Internal(error.to_string()))?;
            answer::typed(StatusCode::OK, "application/json", body)
        }
        Call::Get(id) => {
            let bridge = world.bridge(*id).ok_or(Failure::NotFound)?;
            answer::json(StatusCode::OK, &Detail::of(bridge, input.status))
        }
        Call::Delete(id) => {
            world.delete(*id)?;
            answer::no_content()
        }
        Call::Status(customer_ref) => answer::json(StatusCode::OK, &session(world.by_ref(customer_ref)?)),
        Call::Qr(customer_ref) => {
            let image = qr::png(&world.qr_text(customer_ref)?)
                .map_err(|error| Failure::Internal(format!("{error:#}")))?;
            answer::typed(StatusCode::OK, "image/png", image)
        }
        Call::Pair(customer_ref) => {
            let phone = phone(input.body)?;
            answer::json(StatusCode::OK, &json!({ "code": world.pair(customer_ref, &phone)? }))
        }
        Call::Logout(customer_ref) => {
            let event = world.logout(customer_ref)?;
            return Ok(Done { answer: answer::no_content(), event });
        }
    };
    Ok(answer.into())
}

fn phone(body: &[u8]) -> Result<String, Failure> {
    let PairBody { phone } = object(body)?;
    if !(7..=15).contains(&phone.len()) || !phone.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Failure::Malformed(
            "phone must be 7 to 15 digits without +, spaces or dashes".to_owned(),
        ));
    }
    Ok(phone)
}

fn session(bridge: &Bridge) -> Value {
    if !bridge.is_connected() {
        return json!({ "status": bridge.status });
    }
    let phone = bridge.session_phone();
    json!({
        "status": CONNECTED,
        "phone": phone,
        "jid": format!("{phone}@s.whatsapp.net"),
        "name": format!("Customer {}", bridge.id),
    })
}

/// Reads a JSON object; ignores unknown fields, as the provider does.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let fields: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
    Ok(serde_json::from_value(Value::Object(fields))?)
}

/// The customer_ref in the body of a provisioning call, even if the rest of the body is wrong.
pub fn named_in(body: &[u8]) -> Option<String> {
    let fields: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    fields.get("customer_ref")?.as_str().map(str::to_owned)
}
