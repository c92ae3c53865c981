//! What adopts an existing account: what was found of it, and what becomes of each bridge.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use wabridges::{BridgeId, CustomerRef};

use crate::config::Fleet;
use crate::model::drift::Kind;

/// What does not agree between the account and the database.
#[derive(Clone, Debug)]
pub struct Found {
    /// Wanted tenants and extras with no bridge.
    pub missing: usize,
    /// Live bridges with some drift, or kept with no tenant row, by customer_ref.
    pub bridges: Vec<FoundBridge>,
    /// US dollars for all live bridges.
    pub monthly_cost: Decimal,
}

/// A live bridge that is not simply its tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBridge {
    /// Its number.
    pub bridge_id: BridgeId,
    /// What it carries.
    pub customer_ref: Option<CustomerRef>,
    /// The session's status, if it was learnt.
    pub status: Option<String>,
    /// What does not agree.
    pub drift: Vec<Kind>,
    /// No tenant owns it, and it is declared to be kept.
    pub kept: bool,
}

/// Why a bridge is not taken in: it stays what it is, drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// There is nothing to name it by.
    NoRef,
    /// `bridges.remove` names its customer_ref.
    Removed,
    /// It is kept already, and the day has passed.
    Expired,
    /// Another bridge serves its customer_ref.
    Duplicate,
    /// Its tenant is no longer wanted.
    Churned,
}

/// What adopts the account.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The day of the observation.
    pub day: NaiveDate,
    /// Bridges that the provider listed.
    pub listed: usize,
    /// Listed rows that could not be read: what they are is not adopted.
    pub malformed: usize,
    /// Wanted tenants and extras with no bridge.
    pub missing: usize,
    /// US dollars for all live bridges.
    pub monthly_cost: Decimal,
    /// What fleet.yaml shall say.
    pub fleet: Fleet,
    /// Bridges whose tenant row shall hold their id and status.
    pub rows: Vec<FoundBridge>,
    /// Bridges that no tenant owns, kept by now or before.
    pub unowned: Vec<FoundBridge>,
    /// Bridges that remain drift.
    pub left: Vec<(Why, FoundBridge)>,
}
