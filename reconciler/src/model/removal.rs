//! Bridges that no tenant needs, as proposed entries of bridges.remove.

use rust_decimal::Decimal;
use wabridges::BridgeId;

use crate::config::Tombstone;

/// A proposed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The entry.
    pub tombstone: Tombstone,
    /// US dollars per month that the bridge costs.
    pub monthly_cost: Decimal,
    /// Whether bridges.keep names its customer_ref; fleet.yaml is not valid with both.
    pub is_kept: bool,
}

/// The proposed entries, and the bridges that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// The entries, in display order of the drift.
    pub entries: Vec<Removal>,
    /// Bridges that bridges.remove names already.
    pub declared: usize,
    /// Bridges without a customer_ref.
    pub nameless: Vec<BridgeId>,
    /// Bridges that may be in use, and by whom.
    pub used: Vec<(BridgeId, String)>,
    /// Bridges left out because an age was asked for and theirs is not known.
    pub ageless: usize,
}
