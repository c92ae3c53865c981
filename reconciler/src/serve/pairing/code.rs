//! Requests the code that a customer types instead of scanning one. The request is recorded before the call.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use wabridges::{Error as ProviderError, PairingCode, Phone};

use crate::db::opened_link::OpenedLink;
use crate::db::pairing::Claim;
use crate::db::stores::in_time;
use crate::model::Error;
use crate::serve::pairing::account::Account;
use crate::serve::pairing::answer::{Answer, State, seconds};
use crate::serve::pairing::desk::{Admitted, Desk};
use crate::serve::pairing::looks::Look;
use crate::serve::pairing::places::EVERY;

const RECORDING: &str = "cannot record that a pairing code is requested";

/// The answer to a page that asks for a code.
pub async fn code(desk: &Arc<Desk>, admitted: Admitted, phone: &str) -> Answer {
    let Ok(phone) = Phone::new(phone) else { return admitted.answer(State::InvalidPhone) };
    if let Err(wait) = desk.turn(admitted.link.bridge_id).await {
        return admitted.answer(State::Wait { wait_seconds: seconds(wait) });
    }
    let wait = desk.account.wait_for_call();
    if !wait.is_zero() {
        return admitted.answer(State::Wait { wait_seconds: seconds(wait) });
    }
    // It goes on if the page goes away: the request is recorded.
    let (account, link) = (desk.account.clone(), admitted.link.clone());
    let requested = tokio::spawn(async move { request(&account, &link, &phone).await }).await;
    admitted.answer(requested.unwrap_or(State::Failed { wait_seconds: seconds(EVERY) }))
}

async fn request(account: &Account, link: &OpenedLink, phone: &Phone) -> State {
    let failed = |error: &Error| {
        account.complain(error);
        State::Failed { wait_seconds: seconds(EVERY) }
    };
    let claim = match claim(account, link).await {
        Ok(Ok(claim)) => claim,
        Ok(Err(has_code)) => return has_code,
        Err(error) => return failed(&error),
    };
    let asked = Instant::now();
    let error = match account.client.pair(&link.customer_ref, phone).await {
        Ok(code) => return made(account, link, &code, asked).await,
        Err(error) => error,
    };
    if error.is_ambiguous() {
        // The provider may have made a code, and a second one would make it invalid.
        failed(&Error::provider("no pairing code arrived")(error));
        let left = (claim.valid_until - Utc::now()).to_std().unwrap_or_default();
        return State::HasCode { wait_seconds: seconds(left) };
    }
    if let Err(error) = release(account, claim).await {
        account.complain(&error);
    }
    match error {
        ProviderError::RateLimited { retry_after } => State::Wait { wait_seconds: seconds(retry_after) },
        ProviderError::Refused { .. } => match account.session(link).await {
            Ok(Look::Paired) => State::Paired,
            Ok(_) => State::InvalidPhone,
            Err(error) => failed(&error),
        },
        error => failed(&Error::provider("no pairing code was made")(error)),
    }
}

/// Records the request, unless a code is valid.
async fn claim(account: &Account, link: &OpenedLink) -> Result<Result<Claim, State>, Error> {
    in_time(RECORDING, async {
        let mut store = account.records.lend().await?;
        let claim = match store.claim_code(&link.customer_ref, &account.who).await? {
            Some(claim) => Ok(claim),
            None => {
                let left = store.code_valid_for(&link.customer_ref).await?;
                Err(State::HasCode { wait_seconds: seconds(left) })
            }
        };
        store.hand_back();
        Ok(claim)
    })
    .await
}

/// The code is shown even if the database does not learn that the session waits to be paired.
async fn made(account: &Account, link: &OpenedLink, code: &PairingCode, asked: Instant) -> State {
    let recorded = in_time(RECORDING, async {
        let mut store = account.records.lend().await?;
        store.record_shown_code(&link.customer_ref, asked).await?;
        store.hand_back();
        Ok(())
    });
    match recorded.await {
        Ok(()) => {}
        Err(Error::Database { source, .. }) if source.has_code(&["42501"]) => {}
        Err(error) => account.complain(&error),
    }
    State::Code { code: code.as_str().to_owned(), wait_seconds: seconds(EVERY) }
}

async fn release(account: &Account, claim: Claim) -> Result<(), Error> {
    in_time(RECORDING, async {
        let mut store = account.records.lend().await?;
        store.release_code(claim).await?;
        store.hand_back();
        Ok(())
    })
    .await
}
