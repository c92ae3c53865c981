//! Holds the state that all requests share, behind one lock, and the clock of the run.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::listing::{Listing, StatusField};
use crate::postman::{Deliveries, Postman};
use crate::record::Record;
use crate::world::World;

/// Whether each request is logged to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    Silent,
    Verbose,
}

/// Whether the list is compressed for clients that accept gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    Never,
    WhenAccepted,
}

/// The command-line settings that requests need.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bearer token that the API accepts at first.
    pub key: String,
    /// Whether the list shows statuses at first.
    pub status: StatusField,
    pub compress: Compress,
    pub log: AccessLog,
}

/// The clock of one run: starts at the wall clock's time and never goes back, unless a control call sets it.
#[derive(Debug)]
pub struct Clock {
    started_at: DateTime<Utc>,
    started: Instant,
    /// The time at which a control call has stopped the clock.
    stopped_at: Mutex<Option<DateTime<Utc>>>,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started_at: Utc::now(), started: Instant::now(), stopped_at: Mutex::new(None) }
    }

    /// The time at which the clock started.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Sets the clock to this time, at which it stands still until it is set again.
    pub fn stop_at(&self, time: DateTime<Utc>) {
        *self.stopped_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        if let Some(time) = *self.stopped_at.lock().unwrap_or_else(PoisonError::into_inner) {
            return time;
        }
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.started_at.checked_add_signed(elapsed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// All state that requests change.
#[derive(Debug)]
pub struct Shared {
    pub world: World,
    pub limits: Limits,
    pub faults: Faults,
    pub ledger: Ledger,
    pub deliveries: Deliveries,
    pub record: Record,
    pub listing: Listing,
    /// The bearer token that the API accepts.
    pub key: String,
}

impl Shared {
    /// A world with nothing recorded and no faults yet.
    pub fn new(world: World, limits: Limits, settings: &Settings) -> Self {
        Self {
            world,
            limits,
            faults: Faults::default(),
            ledger: Ledger::default(),
            deliveries: Deliveries::default(),
            record: Record::default(),
            listing: Listing::new(settings.status),
            key: settings.key.clone(),
        }
    }
}

/// One running sandbox.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub clock: Clock,
    pub postman: Postman,
    shared: Mutex<Shared>,
    changed: Notify,
}

impl App {
    /// A sandbox made of these parts.
    pub fn new(settings: Settings, clock: Clock, postman: Postman, shared: Shared) -> Self {
        Self { settings, clock, postman, shared: Mutex::new(shared), changed: Notify::new() }
    }

    /// Runs `work` under the lock; if `work` changed the world, wakes [`App::world_changed`].
    pub fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        // A request that panicked left at most one incomplete change, so later requests still use the state.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shared.world.revision();
        let done = work(&mut shared);
        let changes = shared.world.take_changes();
        shared.record.add(changes, self.clock.now());
        if shared.world.revision() != before {
            self.changed.notify_one();
        }
        done
    }

    /// Waits until the world has changed since the last wait ended.
    pub async fn world_changed(&self) {
        self.changed.notified().await;
    }
}
