//! Checks the arguments of SQL functions: converts each to a typed value, or raises an error that names the argument.

use std::time::Duration;

use pgrx::prelude::*;
use wabridges::{BridgeId, CustomerRef, Phone};

use crate::error::Raise;

pub fn bridge_id_argument(given: Option<i64>) -> Result<BridgeId, Raise> {
    let hint = "Pass the id of a bridge: SELECT bridge_id FROM wab_fleet;";
    let id = given.ok_or_else(|| Raise::null_argument("bridge_id may not be null").with_hint(hint))?;
    BridgeId::try_from(id).map_err(|invalid| {
        Raise::bad_argument("bridge_id cannot be used", invalid.to_string()).with_hint(hint)
    })
}

pub fn customer_ref_argument(given: Option<String>, name: &'static str) -> Result<CustomerRef, Raise> {
    let hint = "Pass the tenant's id as text: SELECT customer_ref FROM wab_tenants;";
    let text = given.ok_or_else(|| {
        Raise::null_argument("the id of a tenant or bridge may not be null")
            .with_detail(format!("{name} is null"))
            .with_hint(hint)
    })?;
    CustomerRef::new(text).map_err(|invalid| {
        Raise::bad_argument("this id cannot be used", format!("{name}: {invalid}")).with_hint(hint)
    })
}

pub fn count_argument(given: Option<i32>, name: &str) -> Result<i32, Raise> {
    let wrong = match given {
        None => {
            Raise::null_argument("a number of calls may not be null").with_detail(format!("{name} is null"))
        }
        Some(calls @ 0..) => return Ok(calls),
        Some(calls) => {
            Raise::bad_argument("a number of calls may not be negative", format!("{name} is {calls}"))
        }
    };
    Err(wrong.with_hint("Pass 0 or more, or leave it out for the default."))
}

/// A month counts as 30 days, as in PostgreSQL.
pub fn time_argument(given: Option<Interval>, name: &str) -> Result<Duration, Raise> {
    let hint = "Pass a time such as interval '30 seconds', or leave it out for the default.";
    let time = given.ok_or_else(|| {
        Raise::null_argument("a limit of time may not be null")
            .with_detail(format!("{name} is null"))
            .with_hint(hint)
    })?;
    let days = i64::from(time.months()) * 30 + i64::from(time.days());
    let micros = days.saturating_mul(86_400_000_000).saturating_add(time.micros());
    u64::try_from(micros).map(Duration::from_micros).map_err(|_| {
        Raise::bad_argument("a limit of time may not be negative", format!("{name} is below zero"))
            .with_hint(hint)
    })
}

pub fn tenant_argument(given: Option<String>) -> Result<CustomerRef, Raise> {
    customer_ref_argument(given, "tenant_id")
}

pub fn phone_argument(given: Option<String>) -> Result<Phone, Raise> {
    let hint = "Pass the number with its country code, such as '15550001234'.";
    let text = given.ok_or_else(|| Raise::null_argument("phone may not be null").with_hint(hint))?;
    // The message is logged, so it must not contain the number.
    Phone::new(&text).map_err(|invalid| {
        Raise::bad_argument("phone is not a valid phone number", invalid.to_string()).with_hint(hint)
    })
}
