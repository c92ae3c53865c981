//! `POST /p/state` and `POST /p/code`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::serve::pairing::answer::Answer;
use crate::serve::pairing::client_address::{client_address, counted};
use crate::serve::pairing::code;
use crate::serve::pairing::desk::Ask;
use crate::serve::pairing::guard::Door;
use crate::serve::pairing::looks::Want;
use crate::serve::server::Peer;

/// The largest body, in bytes, and the time in which it must arrive.
const LARGEST: usize = 64 * 1024;
const SLOWEST: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct StateAsk {
    #[serde(flatten)]
    ask: Ask,
    /// The page shows a code to type, and needs none to scan.
    #[serde(default)]
    typing: bool,
}

#[derive(Deserialize)]
struct CodeAsk {
    #[serde(flatten)]
    ask: Ask,
    phone: String,
}

/// `POST /p/state`: `{"token", "visit"?, "typing"?}`
pub async fn state(State(door): State<Arc<Door>>, request: Request) -> Response {
    let client = client(&door, &request);
    match body::<StateAsk>(request).await {
        Ok(StateAsk { ask, typing }) => {
            let want = if typing { Want::Status } else { Want::Code };
            door.desk.state(&ask, client, want).await.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST /p/code`: `{"token", "visit"?, "phone"}`
pub async fn code(State(door): State<Arc<Door>>, request: Request) -> Response {
    let client = client(&door, &request);
    let CodeAsk { ask, phone } = match body(request).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    match door.desk.admit(&ask, client).await {
        Ok(admitted) => code::code(&door.desk, admitted, &phone).await.into_response(),
        Err(state) => Answer::from(state).into_response(),
    }
}

fn client(door: &Door, request: &Request) -> IpAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    let peer = request.extensions().get::<Peer>().map_or(unknown, |peer| peer.0.ip());
    counted(client_address(peer, request.headers(), &door.proxies))
}

/// The body. The error of the parser is not shown, because it quotes the body, which has the token.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, (StatusCode, &'static str)> {
    let body = match timeout(SLOWEST, to_bytes(request.into_body(), LARGEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or incomplete.\n")),
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.\n")),
    };
    serde_json::from_slice(&body)
        .map_err(|_| (StatusCode::BAD_REQUEST, "The body is not what the page sends.\n"))
}
