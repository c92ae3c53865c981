//! The adoption of an existing account: the bridges that were found, and the decision on each.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use wabridges::{BridgeId, CustomerRef};

use crate::config::Fleet;
use crate::model::drift::Kind;

/// The differences between the account and the database.
#[derive(Clone, Debug)]
pub struct Found {
    /// Wanted tenants and extras without a bridge.
    pub missing: usize,
    /// Live bridges that have drift or are kept without a tenant row, sorted by customer_ref.
    pub bridges: Vec<FoundBridge>,
    /// US dollars per month for all live bridges.
    pub monthly_cost: Decimal,
}

/// A live bridge that needs a decision: it has drift, or it is kept without a tenant row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBridge {
    /// Its id.
    pub bridge_id: BridgeId,
    /// Its customer_ref, if it carries one.
    pub customer_ref: Option<CustomerRef>,
    /// The session's status, if it is known.
    pub status: Option<String>,
    /// The kinds of drift that it has.
    pub drift: Vec<Kind>,
    /// It belongs to no tenant row, and is declared under `bridges.keep`.
    pub kept: bool,
}

/// Why a bridge is not adopted. It remains in the drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It carries no customer_ref.
    NoRef,
    /// `bridges.remove` names its customer_ref.
    Removed,
    /// It is kept already, but its `until` date has passed.
    Expired,
    /// Another bridge serves its customer_ref.
    Duplicate,
    /// Its tenant is no longer wanted.
    Churned,
}

/// The decisions for the whole account.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The date of the observation.
    pub day: NaiveDate,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Listed rows that could not be read; they are not adopted.
    pub malformed: usize,
    /// Wanted tenants and extras without a bridge.
    pub missing: usize,
    /// US dollars per month for all live bridges.
    pub monthly_cost: Decimal,
    /// The contents of the new fleet.yaml.
    pub fleet: Fleet,
    /// Bridges to link: their tenant rows will hold their id and status.
    pub rows: Vec<FoundBridge>,
    /// Bridges without a tenant row, kept from now on or kept before.
    pub unowned: Vec<FoundBridge>,
    /// Bridges that are not adopted, and why.
    pub left: Vec<(Why, FoundBridge)>,
}
