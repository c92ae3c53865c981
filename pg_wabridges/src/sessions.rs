//! Defines the SQL functions for one bridge's WhatsApp session, which they name by the tenant's id.

use pgrx::prelude::*;
use wabridges::CustomerRef;
use wabridges::qr::{self, Terminal};

use crate::arguments::{phone_argument, tenant_argument};
use crate::database::CallKind;
use crate::error::{OrRaise, Raise};
use crate::provider::{LoggedOut, NoCode};
use crate::server::{require_writable, timestamp};
use crate::{database, provider, server};

/// The provider's word for a session that waits to be paired: only such a session has a code.
const SHOWS_CODE: &str = "qr";

/// The tenant, whose bridge must not be another database's.
fn ours(tenant_id: Option<String>) -> CustomerRef {
    let customer_ref = tenant_argument(tenant_id).or_raise();
    database::require_ours(&customer_ref).or_raise();
    database::require_one_bridge(&customer_ref).or_raise();
    customer_ref
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_session_status(
    tenant_id: Option<String>,
) -> TableIterator<
    'static,
    (
        name!(tenant_id, String),
        name!(status, String),
        name!(raw_status, String),
        name!(phone, Option<String>),
        name!(jid, Option<String>),
        name!(name, Option<String>),
    ),
> {
    let customer_ref = ours(tenant_id);
    let asked = customer_ref.clone();
    let asked_at = server::now();
    let session =
        provider::call_for(&customer_ref, |client| async move { client.reader().session(&asked).await })
            .or_raise();
    let status = database::learn_session(&customer_ref, &session.raw_status, asked_at).or_raise();
    database::learn_phone(&customer_ref, &session, asked_at).or_raise();
    TableIterator::once((
        customer_ref.into(),
        status,
        session.raw_status,
        session.phone,
        session.jid,
        session.name,
    ))
}

#[pg_extern(sql = false)]
fn wab_qr(tenant_id: Option<String>) -> Vec<u8> {
    picture(tenant_id)
}

#[pg_extern(sql = false)]
fn wab_qr_text(tenant_id: Option<String>) -> String {
    qr::read(&picture(tenant_id))
        .and_then(|content| qr::drawn(&content, Terminal::Dark))
        .map_err(|reason| {
            Raise::unexpected("cannot draw the provider's QR code as text", reason)
                .with_hint("Show its PNG instead: SELECT wab_qr(...);")
        })
        .or_raise()
}

/// The QR code as a PNG. Only a session that waits to be paired has one, so its status is stored.
fn picture(tenant_id: Option<String>) -> Vec<u8> {
    let customer_ref = ours(tenant_id);
    let asked = customer_ref.clone();
    let asked_at = server::now();
    let image = provider::call_for(&customer_ref, |client| provider::qr(client, asked)).or_raise();
    let image = image.map_err(no_code).or_raise();
    database::learn_session(&customer_ref, SHOWS_CODE, asked_at).or_raise();
    image
}

#[pg_extern(sql = false)]
fn wab_pair(tenant_id: Option<String>, phone: Option<String>) -> String {
    let customer_ref = ours(tenant_id);
    let phone = phone_argument(phone).or_raise();
    require_writable(c"wab_pair()");
    database::require_call_record().or_raise();
    let call = database::announce(CallKind::Pair, &customer_ref, None).or_raise();
    let asked = customer_ref.clone();
    let asked_at = server::now();
    let told = provider::call_for(&customer_ref, |client| provider::pair(client, asked, phone)).or_raise();
    let code = told.map_err(no_code).or_raise().to_string();
    database::recorded(&call, None, || {
        database::learn_session(&customer_ref, SHOWS_CODE, asked_at)?;
        database::note_code(&customer_ref)?;
        Ok((code, "code"))
    })
    .or_raise()
}

/// Unpairs the bridge, then asks the session for its new status and stores it.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_logout(
    tenant_id: Option<String>,
) -> TableIterator<
    'static,
    (name!(tenant_id, String), name!(status, String), name!(raw_status, Option<String>)),
> {
    let customer_ref = ours(tenant_id);
    require_writable(c"wab_logout()");
    database::require_recording().or_raise();
    let call = database::announce(CallKind::Logout, &customer_ref, None).or_raise();
    let asked = customer_ref.clone();
    let LoggedOut { raw_status, asked_at } =
        provider::call_for(&customer_ref, |client| provider::logout(client, asked)).or_raise();
    let asked_at = timestamp(Some(asked_at)).unwrap_or_else(server::now);
    let status = database::recorded(&call, None, || {
        let status = database::record_session(&customer_ref, raw_status.as_deref(), asked_at)?;
        Ok((status.clone(), status))
    })
    .or_raise();
    TableIterator::once((customer_ref.into(), status, raw_status))
}

/// The provider's own reason. Only for a session that is paired, the hint names the logout, which destroys the session.
fn no_code(NoCode { refusal, session }: NoCode) -> Raise {
    let Some(session) = session else { return refusal.into() };
    let detail = format!("{refusal}; the session's status is {}", session.raw_status);
    if session.is_paired() {
        return Raise::not_configured("this bridge is paired already", detail)
            .with_hint("To pair another phone, unpair this one first: SELECT * FROM wab_logout(…);");
    }
    Raise::from(refusal).with_detail(detail)
}
