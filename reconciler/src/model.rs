//! Plain data types that the other modules exchange. This module makes no decision and no call.

mod adoption;
mod check;
mod drift;
mod error;
mod examined;
mod lock_holder;
mod output;
mod plan;
mod plan_input;
mod polled;
mod reading;
mod report;
pub mod saved;
mod sent;
mod shrink_policy;
mod status;
mod step;

pub use adoption::{Adoption, Found, FoundBridge, Why};
pub use check::{Check, Verdict};
pub use drift::{Differences, Drift, Kind};
pub use error::{DatabaseError, Error, chain};
pub use examined::{Index, Job, Objects, RowSecurity, Source, Unfinished, UnmappedWord};
pub use lock_holder::LockHolder;
pub use output::{Colour, Detail, Diff, Format, Length};
pub use plan::{Cost, Finding, Plan, Refusal, Summary};
pub use plan_input::{Binding, BindingChange, Declared, PlanInput, RecentCall, SettingChange, WebhookChange};
pub use polled::Polled;
pub use reading::Reading;
pub use report::{Outcome, Report, RunEnd, StepReport};
pub use saved::{FORMAT_VERSION, Origin, Precondition, SavedPlan, Selection};
pub use sent::Sent;
pub use shrink_policy::ShrinkPolicy;
pub use status::{LastRun, Status, set_back};
pub use step::{Owner, Step};
