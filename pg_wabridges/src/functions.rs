//! Defines the SQL functions that call the provider. Each checks its arguments, calls the provider, then writes tables.

use pgrx::prelude::*;
use wabridges::{BridgeId, CustomerRef};

use crate::answers::{Outcome, Provisioned};
use crate::arguments::{bridge_id_argument, count_argument, customer_ref_argument, time_argument};
use crate::database::{self, CallKind, ShrinkPolicy};
use crate::error::{OrRaise, Raise};
use crate::json::{self, RawJson};
use crate::list::list;
use crate::poll::poll;
use crate::provider::{self, Deletion, Wish};
use crate::refresh::{reconcile, refresh};
use crate::server::{self, count, require_writable, timestamp};
use crate::webhooks::signed;

/// The version of the compiled library. `pg_extension.extversion` is the version of the SQL objects.
#[pg_extern(sql = false)]
fn wab_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Percent-encodes a tenant's id for a webhook URL.
#[pg_extern(sql = false)]
fn wab_url_encode(value: &str) -> String {
    wabridges::url_encode(value).into_owned()
}

/// The rows of `wab_list_instances()` with `raw` as text: `wab_row_json()` converts it only for queries that select it. `raw` is
/// null if no `jsonb` can hold it.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_list_rows() -> TableIterator<
    'static,
    (
        name!(bridge_id, i64),
        name!(customer_ref, Option<String>),
        name!(state, Option<String>),
        name!(raw_status, Option<String>),
        name!(created_at, Option<TimestampWithTimeZone>),
        name!(raw, Option<String>),
    ),
> {
    TableIterator::new(list().or_raise().bridges.into_iter().map(|bridge| {
        (
            bridge.id.get(),
            bridge.customer_ref.map(String::from),
            bridge.state.map(Into::into),
            bridge.raw_status.map(Into::into),
            timestamp(bridge.created_at),
            json::fits(&bridge.raw).then(|| bridge.raw.to_string()),
        )
    }))
}

/// Converts a row's `raw` text to `jsonb`; NULL if `jsonb` cannot hold it, for instance because of an escaped NUL.
#[pg_extern(sql = false)]
fn wab_row_json(raw: &str) -> Option<RawJson> {
    Some(RawJson(raw.into()))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_get_instance(
    bridge_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(bridge_id, i64),
        name!(customer_ref, Option<String>),
        name!(state, Option<String>),
        name!(created_at, Option<TimestampWithTimeZone>),
        name!(health, Option<String>),
        name!(started_at, Option<TimestampWithTimeZone>),
        name!(fail_count, Option<i64>),
        name!(raw, Option<RawJson>),
    ),
> {
    let id = bridge_id_argument(bridge_id).or_raise();
    let detail = provider::call(|client| async move { client.reader().get(id).await });
    let detail = detail.map_err(|raise| raise.about(&format!("bridge {id}"))).or_raise();
    let (health, started_at, fail_count) =
        detail.manager.map_or((None, None, None), |m| (m.health, m.started_at, m.fail_count));
    let bridge = detail.bridge;
    TableIterator::once((
        bridge.id.get(),
        bridge.customer_ref.map(String::from),
        bridge.state.map(Into::into),
        timestamp(bridge.created_at),
        health,
        timestamp(started_at),
        fail_count,
        Some(RawJson((&*bridge.raw).into())),
    ))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_provision(
    tenant_id: Option<String>,
    webhook_url: Option<String>,
) -> TableIterator<
    'static,
    (
        name!(tenant_id, String),
        name!(bridge_id, i64),
        name!(state, Option<String>),
        name!(outcome, &'static str),
    ),
> {
    let customer_ref = customer_ref_argument(tenant_id, "tenant_id").or_raise();
    require_writable(c"wab_provision()");
    database::require_recording().or_raise();
    let wanted = database::wanted_webhook_url(&customer_ref).or_raise();
    let webhook_url = webhook_url.or(wanted);
    let stored = database::stored_bridge_id(&customer_ref).or_raise();
    database::require_row(&customer_ref).or_raise();
    let call = database::announce(CallKind::Provision, &customer_ref, None).or_raise();
    let asked_at = server::now();
    let (bridge, set_by_us) = provision(customer_ref.clone(), webhook_url, stored).or_raise();
    let outcome = database::recorded(&call, Some(bridge.id), || {
        let written = database::record_provision(&customer_ref, &bridge, set_by_us.as_deref(), asked_at)?;
        let outcome = if written { bridge.outcome.as_str() } else { "unlinked" };
        Ok((outcome, outcome))
    })
    .or_raise();
    TableIterator::once((customer_ref.into(), bridge.id.get(), bridge.state, outcome))
}

/// Makes the provider call of `wab_provision()` and writes nothing: `wab_work_queue()` records the result in a transaction of
/// its own.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_call_provision(
    customer_ref: Option<String>,
    webhook_url: Option<String>,
    stored_bridge_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(bridge_id, i64),
        name!(state, Option<String>),
        name!(raw_status, Option<String>),
        name!(webhook_url, Option<String>),
    ),
> {
    let customer_ref = customer_ref_argument(customer_ref, "customer_ref").or_raise();
    require_writable(c"_wab_call_provision()");
    database::announce(CallKind::Provision, &customer_ref, None).or_raise();
    let (bridge, set_by_us) = provision(customer_ref, webhook_url, stored_bridge_id).or_raise();
    TableIterator::once((bridge.id.get(), bridge.state, bridge.raw_status, set_by_us))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_delete_instance(
    bridge_id: Option<i64>,
    customer_ref: Option<String>,
) -> TableIterator<'static, (name!(bridge_id, i64), name!(customer_ref, String), name!(outcome, &'static str))>
{
    let id = bridge_id_argument(bridge_id).or_raise();
    let customer_ref = customer_ref_argument(customer_ref, "customer_ref").or_raise();
    require_writable(c"wab_delete_instance()");
    database::require_recording().or_raise();
    database::require_ours(&customer_ref).or_raise();
    let call = database::announce(CallKind::Delete, &customer_ref, Some(id)).or_raise();
    let asked = customer_ref.clone();
    let deletion = provider::call(|client| provider::delete(client, id, asked));
    let subject = format!("bridge {id} of tenant {}", customer_ref.as_str());
    match deletion.map_err(|raise| raise.about(&subject)).or_raise() {
        Deletion::Deleted => database::recorded(&call, Some(id), || {
            database::record_delete(id, &customer_ref)?;
            Ok(((), "deleted"))
        })
        .or_raise(),
        Deletion::Refused { carries } => {
            Err(refused_deletion(id, &customer_ref, carries.as_ref())).or_raise()
        }
    }
    TableIterator::once((id.get(), customer_ref.into(), "deleted"))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_refresh(
    max_age: Option<Interval>,
    force: Option<bool>,
) -> TableIterator<
    'static,
    (
        name!(observed_at, Option<TimestampWithTimeZone>),
        name!(bridges, Option<i32>),
        name!(appeared, i32),
        name!(changed, i32),
        name!(disappeared, i32),
        name!(skipped, bool),
    ),
> {
    let hint = "Leave it out to ask the provider now, or pass an age such as: SELECT * FROM wab_refresh('1 minute');";
    let null = || Raise::null_argument("wab_refresh(): max_age may not be null").with_hint(hint);
    let max_age = max_age.ok_or_else(null).or_raise();
    require_writable(c"wab_refresh()");
    let shrink = if force.unwrap_or(false) { ShrinkPolicy::Allow } else { ShrinkPolicy::Refuse };
    let done = refresh(max_age, shrink).or_raise();
    TableIterator::once((
        done.observed_at,
        done.bridges,
        done.appeared,
        done.changed,
        done.disappeared,
        done.skipped,
    ))
}

/// The declaration of 0.2.0, which the new library must serve until ALTER EXTENSION UPDATE.
#[pg_extern(sql = false)]
fn wab_poll_status(
    max_calls: Option<i32>,
) -> TableIterator<
    'static,
    (name!(polled, i32), name!(changed, i32), name!(failed, i32), name!(remaining, i64)),
> {
    wab_poll_status_within(max_calls, Some(default_time()))
}

/// The default of `max_time`, as in `sql/provider.sql`.
fn default_time() -> Interval {
    Interval::from_seconds(50.0)
}

#[pg_extern(sql = false)]
fn wab_poll_status_within(
    max_calls: Option<i32>,
    max_time: Option<Interval>,
) -> TableIterator<
    'static,
    (name!(polled, i32), name!(changed, i32), name!(failed, i32), name!(remaining, i64)),
> {
    let max_calls = count_argument(max_calls, "max_calls").or_raise();
    let max_time = time_argument(max_time, "max_time").or_raise();
    require_writable(c"wab_poll_status()");
    let (polled, changed) = poll(max_calls, max_time).or_raise();
    let remaining = database::never_polled().or_raise();
    TableIterator::once((count(polled.answered()), changed, count(polled.failed()), remaining))
}

/// The declaration of 0.2.0.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_reconcile(
    max_status_calls: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(tenant_id, Option<String>),
        name!(bridge_id, Option<i64>),
        name!(customer_ref, Option<String>),
        name!(stored, Option<String>),
        name!(observed, Option<String>),
        name!(detail, Option<String>),
    ),
> {
    wab_reconcile_within(max_status_calls, Some(default_time()))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn wab_reconcile_within(
    max_status_calls: Option<i32>,
    max_time: Option<Interval>,
) -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(tenant_id, Option<String>),
        name!(bridge_id, Option<i64>),
        name!(customer_ref, Option<String>),
        name!(stored, Option<String>),
        name!(observed, Option<String>),
        name!(detail, Option<String>),
    ),
> {
    let max_calls = count_argument(max_status_calls, "max_status_calls").or_raise();
    let max_time = time_argument(max_time, "max_time").or_raise();
    require_writable(c"wab_reconcile()");
    database::require_binding().or_raise();
    database::require_recording().or_raise();
    let drift = reconcile(max_calls, max_time).or_raise();
    TableIterator::new(
        drift
            .into_iter()
            .map(|d| (d.kind, d.tenant_id, d.bridge_id, d.customer_ref, d.stored, d.observed, d.detail)),
    )
}

/// Provisions the bridge. Returns also the webhook_url if this call set it, with `{secret}` as it was given; an existing bridge
/// keeps its own.
fn provision(
    customer_ref: CustomerRef,
    webhook_url: Option<String>,
    stored: Option<i64>,
) -> Result<(Provisioned, Option<String>), Raise> {
    let signed = webhook_url.as_deref().map(|template| signed(template, &customer_ref)).transpose()?;
    let wish = Wish { customer_ref: customer_ref.clone(), webhook_url: signed, stored };
    let bridge = provider::call_for(&customer_ref, |client| provider::provision(client, wish))?;
    let set_by_us = webhook_url.filter(|_| bridge.outcome == Outcome::Created);
    Ok((bridge, set_by_us))
}

fn refused_deletion(id: BridgeId, asked: &CustomerRef, carries: Option<&CustomerRef>) -> Raise {
    let carries = carries.map_or("none".to_owned(), |found| found.as_str().to_owned());
    Raise::bad_argument(
        "bridge_id and customer_ref do not belong together",
        format!("bridge {id} carries customer_ref {carries}, not {}", asked.as_str()),
    )
    .with_hint("Nothing was deleted. Check the two values: SELECT * FROM wab_fleet;")
}
