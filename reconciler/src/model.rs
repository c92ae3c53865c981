//! Plain data that the floors above hand to each other. Nothing is decided, called or shown here.

mod adoption;
mod check;
mod drift;
mod error;
mod examined;
mod facts;
mod force;
mod output;
mod plan;
mod polled;
mod reading;
mod report;
pub mod saved;
mod status;
mod step;

pub use adoption::{Adoption, Found, Stray, Why};
pub use check::{Check, Verdict};
pub use drift::{Differences, Drift, Kind};
pub use error::{DatabaseError, Error, chain};
pub use examined::{Index, Job, Objects, Source, Unfinished};
pub use facts::{Binding, BindingChange, Declared, Facts, RecentCall};
pub use force::Force;
pub use output::{Colour, Format, Length};
pub use plan::{Cost, Finding, Plan, Refusal, Summary};
pub use polled::Polled;
pub use reading::Reading;
pub use report::{End, Finish, Outcome, Report, StepReport};
pub use saved::{FORMAT_VERSION, Ground, Origin, SavedPlan, Selection};
pub use status::{LastRun, Status};
pub use step::{Owner, Step};
