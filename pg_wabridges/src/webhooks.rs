//! Signs the URLs to which the provider sends events, and checks the signatures of events.

use pgrx::prelude::*;
use wabridges::{CustomerRef, WebhookUrl};

use crate::arguments::customer_ref_argument;
use crate::database;
use crate::error::{OrRaise, Raise};
use crate::settings;

/// The URL with the signature of the customer_ref in the place of `{secret}`.
pub fn signed(template: &str, customer_ref: &CustomerRef) -> Result<WebhookUrl, Raise> {
    let keys = WebhookUrl::needs_keys(template).then(settings::webhook_keys).transpose()?;
    WebhookUrl::new(template, customer_ref.as_str(), keys.as_ref())
        .map_err(|error| Raise::not_configured("the webhook_url cannot be signed", error.to_string()))
}

/// The URL to set in the dashboard for this tenant.
#[pg_extern(sql = false)]
fn wab_webhook_url(tenant_id: Option<String>) -> Option<String> {
    let customer_ref = customer_ref_argument(tenant_id, "tenant_id").or_raise();
    let wanted = database::wanted_webhook_url(&customer_ref).or_raise()?;
    Some(signed(&wanted, &customer_ref).or_raise().as_str().to_owned())
}

/// Whether a webhook's `{secret}` is the signature of this customer_ref.
#[pg_extern(sql = false)]
fn wab_webhook_secret_ok(customer_ref: Option<String>, secret: Option<String>) -> bool {
    // An event without one of them is not signed, whatever the keys are.
    customer_ref.zip(secret).is_some_and(|(customer_ref, secret)| {
        settings::webhook_keys().or_raise().verify(&customer_ref, &secret)
    })
}
