//! Calls the SQL functions of `sql/` with typed arguments and results.

mod alerts;
mod bridges;
mod calls;
mod drift;
mod observe;
mod phones;
mod statement;

pub use alerts::{alerts_failed, alerts_sent, begin_alerts, due_alerts, note_alerts, note_alerts_failed};
pub use bridges::{
    learn_session, never_polled, note_code, poll_candidates, record_delete, record_provision, record_session,
    require_binding, require_one_bridge, require_ours, require_recording, require_row, stored_bridge_id,
    wanted_webhook_url,
};
pub use calls::{CallKind, announce, recorded, require_call_record};
pub use drift::{
    Drift, drift, drift_of, moving, note_drift, record_drift, standing_drift, unlink_bridges, write_statuses,
};
pub use observe::{
    Observation, ShrinkPolicy, Stored, lock_observing, observe, observe_statuses, recent_observation,
    try_lock_refresh,
};
pub use phones::learn_phone;
