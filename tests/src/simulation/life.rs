//! Defines a life: what the business, the tenants' phones, the provider and the operators do, and when. It is data, so that a
//! life that fails can be stored, cut down and played again.

use serde::{Deserialize, Serialize};

use crate::simulation::moment::{DAY, Moment};
use crate::simulation::words::Status;

/// The life of one fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Tenants with a paired bridge each, before the first day.
    pub tenants: u32,
    /// The days that are played.
    pub days: i64,
    /// What happens, in the order of time.
    pub happenings: Vec<Happening>,
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    pub at: Moment,
    pub event: Event,
}

/// What happens. An event that no longer makes sense, because others were left out, does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A tenant row is inserted, and in the same transaction the tenant is enqueued or not.
    SignUp {
        tenant: u32,
        how: Signup,
    },
    /// The tenant is no longer wanted.
    Churn {
        tenant: u32,
    },
    /// A tenant that had left is wanted again.
    Return {
        tenant: u32,
    },
    /// The tenant row is deleted.
    Forget {
        tenant: u32,
    },
    /// The session of the tenant's bridge changes its status. The webhook arrives after each of these delays in seconds.
    Session {
        tenant: u32,
        word: String,
        webhooks: Vec<i64>,
    },
    /// The container of the tenant's bridge changes its state.
    Container {
        tenant: u32,
        state: String,
    },
    /// Somebody makes a bridge in the provider's dashboard.
    Made {
        customer_ref: String,
    },
    /// Somebody deletes the tenant's bridge in the provider's dashboard.
    Deleted {
        tenant: u32,
    },
    /// The application gives the tenant another id, under which its bridge is not known.
    Rename {
        tenant: u32,
    },
    /// Somebody gives the bridge that the tenant's row holds the tenant's id as customer_ref, in the provider's dashboard.
    Retag {
        tenant: u32,
    },
    /// The provider answers nothing but this code until `ProviderUp`: 503, or 429 for a storm of calls by others.
    ProviderDown {
        code: u16,
    },
    ProviderUp,
    /// The provider's list carries the status of each bridge from now on, or no longer.
    ListStatuses {
        shown: bool,
    },
    /// The provider calls a status by another word from now on: in its lists, and where a session answers. Its events keep
    /// their names.
    WordChanged {
        from: String,
        to: String,
    },
    /// An operator maps that word to the status that it stands for.
    WordMapped {
        word: String,
        status: Status,
    },
    /// The provider's lists are wrong in this way until `ListMended`.
    ListBroken {
        how: ListFault,
    },
    ListMended,
    /// The provider accepts another key only.
    KeyRotated {
        key: String,
    },
    /// The operators put that key where the server and wab read it.
    KeyInstalled {
        key: String,
    },
    /// The provider does what the next call with this method asks, and the answer is lost.
    LostReply {
        method: String,
    },
    /// The database server crashes and recovers.
    Crash,
    /// The database server crashes, and its standby, which has received everything, takes its place.
    Failover,
    /// Two operators start wab apply together.
    Together,
    /// An operator writes tombstones for bridges that nobody has needed for three days.
    Review,
    /// An operator keeps the tenant's bridge for some days although the tenant is not wanted.
    Keep {
        tenant: u32,
        days: i64,
    },
    /// An operator declares a bridge without a tenant.
    Extra {
        customer_ref: String,
    },
    /// It is no longer declared.
    ExtraEnded {
        customer_ref: String,
    },
}

/// How a tenant signs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signup {
    /// The application enqueues the tenant: wab_work_queue() makes the bridge within the hour.
    Queued,
    /// Nothing else is done: the next wab apply makes the bridge.
    Plain,
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListFault {
    /// It ends in the middle.
    HalfList,
    /// It has no bridges.
    EmptyList,
    /// Its first row cannot be read.
    MalformedRow,
}

impl Life {
    /// The same life up to the end of this day.
    pub fn until_day(&self, days: i64) -> Self {
        let end = Moment::START + days * DAY;
        let happenings = self.happenings.iter().filter(|happening| happening.at < end).cloned().collect();
        Self { tenants: self.tenants, days, happenings }
    }
}

/// The id of a tenant.
pub fn name(tenant: u32) -> String {
    format!("cust_{tenant:06}")
}
