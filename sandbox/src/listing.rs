//! Writes bridges as the provider's API shows them, and caches the bytes of the list.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Compression;
use serde::Serialize;

use crate::bridge::{Bridge, BridgeId, RUNNING};
use crate::gzip::gzip;
use crate::world::World;

/// The path of the list.
pub const PATH: &str = "/api/instances";

/// Whether listed bridges show their `status`: the provider's guide shows it, its API reference does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusField {
    Shown,
    Hidden,
}

/// One row of the list.
#[derive(Serialize)]
pub struct Row<'a> {
    id: BridgeId,
    customer_ref: Option<&'a str>,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    created_at: DateTime<Utc>,
}

/// One bridge with the provider's details of its container.
#[derive(Serialize)]
pub struct Detail<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    manager: Manager,
}

#[derive(Serialize)]
struct Manager {
    health: &'static str,
    started_at: DateTime<Utc>,
    fail_count: u32,
}

impl<'a> Row<'a> {
    /// A bridge as the list shows it.
    pub fn of(bridge: &'a Bridge, status: StatusField) -> Self {
        Self {
            id: bridge.id,
            customer_ref: bridge.customer_ref.as_deref(),
            state: &bridge.state,
            status: (status == StatusField::Shown).then_some(bridge.status.as_str()),
            created_at: bridge.created_at,
        }
    }
}

impl<'a> Detail<'a> {
    /// A bridge as the call for one bridge shows it; a container that does not run has failed once.
    pub fn of(bridge: &'a Bridge, status: StatusField) -> Self {
        let (health, fail_count) = if bridge.state == RUNNING { ("healthy", 0) } else { ("unhealthy", 1) };
        let manager = Manager { health, started_at: bridge.created_at, fail_count };
        Self { row: Row::of(bridge, status), manager }
    }
}

/// The body of the list, rebuilt only after the world changed: the list of 100,000 bridges has 10 MB.
#[derive(Debug)]
pub struct Listing {
    status: StatusField,
    revision: Option<u64>,
    plain: Bytes,
    gzipped: Option<Bytes>,
}

impl Listing {
    /// An empty cache for lists with or without statuses.
    pub fn new(status: StatusField) -> Self {
        Self { status, revision: None, plain: Bytes::new(), gzipped: None }
    }

    /// Whether listed bridges show their status.
    pub fn status(&self) -> StatusField {
        self.status
    }

    /// Shows or hides the statuses from now on.
    pub fn show(&mut self, status: StatusField) {
        *self = Self::new(status);
    }

    /// The list as JSON.
    pub fn plain(&mut self, world: &World) -> serde_json::Result<Bytes> {
        if self.revision != Some(world.revision()) {
            let rows: Vec<Row<'_>> = world.bridges().map(|bridge| Row::of(bridge, self.status)).collect();
            self.plain = serde_json::to_vec(&rows)?.into();
            self.gzipped = None;
            self.revision = Some(world.revision());
        }
        Ok(self.plain.clone())
    }

    /// The list as compressed JSON.
    pub fn gzipped(&mut self, world: &World) -> std::io::Result<Bytes> {
        let plain = self.plain(world)?;
        if let Some(ready) = &self.gzipped {
            return Ok(ready.clone());
        }
        let packed = gzip(std::iter::once(plain), Compression::fast())?;
        self.gzipped = Some(packed.clone());
        Ok(packed)
    }
}
