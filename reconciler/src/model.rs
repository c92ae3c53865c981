//! Plain data types that the other modules exchange. This module makes no decision and no call.

mod adoption;
mod check;
mod database_error;
mod drift;
mod error;
mod event;
mod examined;
mod link;
mod lock_holder;
mod output;
pub mod pairing;
mod plan;
mod plan_input;
mod polled;
mod reading;
mod removal;
mod report;
pub mod saved;
mod sent;
mod shrink_policy;
mod status;
mod step;
mod table;

pub use adoption::{Adoption, Found, FoundBridge, Why};
pub use check::{Check, Verdict};
pub use database_error::DatabaseError;
pub use drift::{Differences, Drift, Kind};
pub use error::{Error, chain};
pub use event::Event;
pub use examined::{Index, Job, Objects, RowSecurity, Source, Unfinished, UnmappedWord};
pub use link::{Link, LinkRefusal, LinkRow, MadeLink};
pub use lock_holder::LockHolder;
pub use output::{Colour, Detail, Diff, Format, Length};
pub use pairing::{CodeOutcome, CodeRow, ToPair};
pub use plan::{Cost, Finding, Plan, Refusal, Summary};
pub use plan_input::{
    Binding, BindingChange, Declared, Exception, PlanInput, RecentCall, SettingChange, WebhookChange,
};
pub use polled::Polled;
pub use reading::Reading;
pub use removal::{Removal, Removals};
pub use report::{Outcome, Report, RunEnd, StepReport};
pub use saved::{FORMAT_VERSION, Origin, Precondition, SavedPlan, Selection};
pub use sent::Sent;
pub use shrink_policy::ShrinkPolicy;
pub use status::{LastRun, Status, set_back};
pub use step::{Owner, Step};
pub use table::{Table, Value};
