//! Defines every endpoint as a [`Call`].

use std::borrow::Cow;
use std::str::Utf8Error;

use bytes::Bytes;
use bytestring::ByteString;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{Call, Fault};
use crate::error::Error;
use crate::listing::listing;
use crate::row;
use crate::visible::in_quotes;
use crate::webhook_keys::WebhookUrl;
use crate::{BridgeDetail, BridgeId, Class, CustomerRef, Listing, PairingCode, Phone, Provisioned, Session};

/// Lists the whole fleet.
pub(crate) fn list() -> Call<Listing> {
    Call::new(Method::GET, INSTANCES.to_owned(), |body| {
        listing(&text(body)?).ok_or_else(|| match whole(body) {
            Ok(_) => "not a JSON array".to_owned(),
            Err(fault) => fault,
        })
    })
}

/// Reads one bridge and its manager.
pub(crate) fn get(id: BridgeId) -> Call<BridgeDetail> {
    let call = Call::new(Method::GET, format!("{INSTANCES}/{id}"), move |body| {
        let raw = ByteString::from(whole(body)?.get());
        let detail = BridgeDetail { bridge: row::bridge(&raw)?, manager: row::manager(&raw)? };
        match detail.bridge.id {
            answered if answered == id => Ok(detail),
            other => Err(format!("it describes bridge {other}, not bridge {id}")),
        }
    });
    call.naming(format!("bridge {id}"))
}

/// Provisions the bridge of this customer_ref, or returns the existing one.
pub(crate) fn provision(
    customer_ref: &CustomerRef,
    webhook_url: Option<&str>,
) -> Result<Call<Provisioned>, Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        customer_ref: &'a CustomerRef,
        #[serde(skip_serializing_if = "Option::is_none")]
        webhook_url: Option<&'a str>,
    }
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        customer_ref: Option<&'a RawValue>,
        #[serde(borrow)]
        state: Option<&'a RawValue>,
    }
    usable(customer_ref)?;
    webhook_url.map_or(Ok(()), reachable)?;
    let asked = customer_ref.clone();
    let call = Call::new(Method::POST, INSTANCES.to_owned(), move |body| {
        let fields: Fields<'_> = row::object(whole(body)?.get())?;
        let (id, answered) = (row::bridge_id(fields.id)?, row::customer_ref(fields.customer_ref)?);
        if answered.as_ref() != Some(&asked) {
            let answered = answered.map_or("none".to_owned(), |answered| in_quotes(answered.as_str()));
            return Err(format!(
                "its customer_ref is {answered}, not {} as asked",
                in_quotes(asked.as_str())
            ));
        }
        let state = row::text("state", fields.state)?.map(Into::into);
        Ok(Provisioned { id, customer_ref: asked.clone(), state })
    });
    call.counted_as(Class::Provision).sending(&Body { customer_ref, webhook_url })
}

/// Stops and removes a bridge permanently.
pub(crate) fn delete(id: BridgeId) -> Call<()> {
    Call::new(Method::DELETE, format!("{INSTANCES}/{id}"), acknowledged).naming(format!("bridge {id}"))
}

/// Reads the WhatsApp session of a bridge.
pub(crate) fn session(customer_ref: &CustomerRef) -> Result<Call<Session>, Error> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        status: Option<&'a RawValue>,
        #[serde(borrow)]
        phone: Option<&'a RawValue>,
        #[serde(borrow)]
        jid: Option<&'a RawValue>,
        #[serde(borrow)]
        name: Option<&'a RawValue>,
    }
    proxy(Method::GET, customer_ref, "status", |body| {
        let fields: Fields<'_> = row::object(whole(body)?.get())?;
        Ok(Session {
            raw_status: row::text("status", fields.status)?.ok_or("`status` is missing")?.into(),
            phone: row::text_or_number("phone", fields.phone)?.map(Into::into),
            jid: row::text("jid", fields.jid)?.map(Into::into),
            name: row::text("name", fields.name)?.map(Into::into),
        })
    })
}

/// Reads the QR code to scan, as PNG.
pub(crate) fn qr(customer_ref: &CustomerRef) -> Result<Call<Vec<u8>>, Error> {
    proxy(Method::GET, customer_ref, "qr", |body| {
        if body.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(body.to_vec())
        } else {
            Err("not a PNG image".to_owned())
        }
    })
}

/// Requests a code to type on the phone.
pub(crate) fn pair(customer_ref: &CustomerRef, phone: &Phone) -> Result<Call<PairingCode>, Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        phone: &'a str,
    }
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        code: Option<&'a RawValue>,
    }
    let call = proxy(Method::POST, customer_ref, "pair", |body| {
        let fields: Fields<'_> = row::object(whole(body)?.get())?;
        match row::text("code", fields.code)? {
            Some(code) if !code.is_empty() => Ok(PairingCode(code.into())),
            _ => Err("`code` is missing".to_owned()),
        }
    })?;
    call.sending(&Body { phone: phone.as_str() })
}

/// Unpairs a bridge and destroys its session.
pub(crate) fn logout(customer_ref: &CustomerRef) -> Result<Call<()>, Error> {
    proxy(Method::DELETE, customer_ref, "logout", acknowledged)
}

const INSTANCES: &str = "/api/instances";

/// The characters of a path segment to percent-encode: all except letters, digits and `- . _ ~`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a text for one segment of a URL: RFC 3986 leaves letters, digits and `- . _ ~` as they are.
#[must_use]
pub fn url_encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, SEGMENT).into()
}

fn proxy<T>(
    method: Method,
    customer_ref: &CustomerRef,
    what: &str,
    read_body: impl Fn(&Bytes) -> Result<T, Fault> + Send + Sync + 'static,
) -> Result<Call<T>, Error> {
    usable(customer_ref)?;
    let segment = url_encode(customer_ref.as_str());
    let call = Call::new(method, format!("{INSTANCES}/{segment}/proxy/{what}"), read_body);
    Ok(call
        .naming(format!("bridge with customer_ref {}", in_quotes(customer_ref.as_str())))
        .counted_as(Class::Proxy))
}

/// Refuses a customer_ref that fits no URL path: a bridge provisioned for it could never be paired.
fn usable(customer_ref: &CustomerRef) -> Result<(), Error> {
    customer_ref.fits_a_path().map_err(|error| Error::Config { what: error.to_string(), source: None })
}

/// Refuses a webhook_url that is no web address: after the call only the dashboard could change it. The error does not repeat
/// it, because it may hold a secret.
fn reachable(webhook_url: &str) -> Result<(), Error> {
    if WebhookUrl::is_address(webhook_url) {
        return Ok(());
    }
    let what = "the webhook_url is no http or https address: nothing was sent; correct the webhook_url that is bound or given";
    Err(Error::Config { what: what.to_owned(), source: None })
}

/// Accepts an empty body or a JSON object as confirmation. Anything else may come from a proxy, not from the provider.
fn acknowledged(body: &Bytes) -> Result<(), Fault> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    match whole(body)?.get().as_bytes().first() {
        Some(b'{') => Ok(()),
        _ => Err("neither an empty body nor a JSON object".to_owned()),
    }
}

/// The body as text, trimmed. The text shares the body's memory.
fn text(body: &Bytes) -> Result<ByteString, Fault> {
    let text = ByteString::try_from(body.clone()).map_err(|error| not_utf8(body, error))?;
    Ok(text.slice_ref(text.trim()))
}

fn not_utf8(body: &[u8], error: Utf8Error) -> Fault {
    match error.error_len() {
        None => cut_off(body),
        Some(_) => format!("not JSON: not UTF-8 at byte {}", error.valid_up_to()),
    }
}

fn cut_off(body: &[u8]) -> Fault {
    format!("the JSON is cut off after {} bytes", body.len())
}

/// The body as one complete JSON value with nothing after it.
fn whole(body: &[u8]) -> Result<&RawValue, Fault> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error))?.trim();
    match text.as_bytes().first() {
        None => Err("the body is empty".to_owned()),
        Some(b'<') => Err("not JSON but a web page".to_owned()),
        Some(_) => serde_json::from_str(text)
            .map_err(|error| if error.is_eof() { cut_off(body) } else { format!("not JSON: {error}") }),
    }
}

#[cfg(test)]
mod tests;
