//! Gathers the input of a plan inside a transaction: binds, declares, observes, and reads the drift. The
//! caller ends it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::NaiveDate;
use wabridges::{BridgeId, Touched};

use crate::config::{Fleet, Tombstone, Webhook, WebhookTemplate};
use crate::db::drift::drift;
use crate::db::evaluation::Evaluation;
use crate::db::observe::Observation;
use crate::db::rows::from_row;
use crate::db::statement::{query_as, query_scalar};
use crate::model::{
    BindingChange, Declared, Drift, Error, Exception, Kind, PlanInput, Polled, Reading, ShrinkPolicy,
};

/// What the provider returned, and what was computed meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The listing.
    pub reading: &'a Reading,
    /// The statuses of sessions that were asked before the listing.
    pub polled: Option<&'a Polled>,
    /// The plan input that follows from the observation stored before the listing.
    pub stored: Option<&'a PlanInput>,
}

/// A row of wab_declared that was written or removed.
struct Changed {
    customer_ref: String,
    kind: String,
    until: Option<String>,
    webhook_url: Option<String>,
    is_written: bool,
}

from_row!(Changed { customer_ref, kind, until, webhook_url, is_written });

impl From<Changed> for Exception {
    fn from(Changed { customer_ref, kind, until, webhook_url, .. }: Changed) -> Self {
        Self { customer_ref, kind, until, webhook_url }
    }
}

impl Evaluation<'_> {
    /// Updates the binding, the exceptions and the observation inside the transaction, and reads the drift.
    pub async fn input(
        &mut self,
        fleet: &Fleet,
        seen: Seen<'_>,
        shrink: ShrinkPolicy,
    ) -> Result<PlanInput, Error> {
        let Seen { reading, polled, stored } = seen;
        let binding = self.bind(fleet).await?;
        let declared = self.declare(fleet).await?;
        self.require_ours(fleet).await?;
        let settings = self.set(fleet).await?;
        self.lock_observing().await?;
        let before = self.observation().await?;
        let touched = self.observe(reading, shrink).await?;
        if let Some(polled) = polled {
            self.observe_statuses(polled).await?;
        }
        let stored = stored.filter(|input| before.is_still(&input.observation) && polled.is_none());
        let drift = self.drift_after(&touched, stored).await?;
        let Observation { listing_sha256, bridges, .. } = self.observation().await?;
        let input = self.with_numbers(fleet, listing_sha256, drift).await?;
        // The guards count the bridges of this database, not those of others that share the account.
        let (listed, malformed) = (usize::try_from(bridges).unwrap_or(0), reading.listing.malformed.len());
        Ok(PlanInput { binding, declared, settings, listed, malformed, ..input })
    }

    /// Stores the binding, the exceptions, the settings and the observation again, without the guards that have accepted
    /// them. If a newer observation is stored, that stays.
    pub async fn store_again(
        &mut self,
        fleet: &Fleet,
        reading: &Reading,
        polled: Option<&Polled>,
    ) -> Result<(), Error> {
        self.bind(fleet).await?;
        self.declare(fleet).await?;
        self.set(fleet).await?;
        self.lock_observing().await?;
        match self.observe(reading, ShrinkPolicy::Allow).await {
            Ok(_) | Err(Error::Overtaken) => {}
            Err(error) => return Err(error),
        }
        if let Some(polled) = polled {
            self.observe_statuses(polled).await?;
        }
        self.keep_binding().await
    }

    /// Stores a listing and the answers of the sessions, and nothing else.
    pub async fn store_polled(
        &mut self,
        reading: &Reading,
        polled: &Polled,
        shrink: ShrinkPolicy,
    ) -> Result<(), Error> {
        self.lock_observing().await?;
        self.observe(reading, shrink).await?;
        self.observe_statuses(polled).await
    }

    /// The plan input if the listing equals the stored one; `None` if wab_bridges was changed since that
    /// listing.
    pub async fn stored_input(&mut self, fleet: &Fleet) -> Result<Option<PlanInput>, Error> {
        let Observation { listing_sha256, mirrored, .. } = self.observation().await?;
        if !mirrored {
            return Ok(None);
        }
        let binding = self.bind(fleet).await?;
        // Other customer_refs change which bridges of the listing are stored.
        if binding.as_ref().is_some_and(BindingChange::moves_customer_refs) {
            return Ok(None);
        }
        let declared = self.declare(fleet).await?;
        let settings = self.set(fleet).await?;
        let drift = drift(self, None).await?;
        let input = self.with_numbers(fleet, listing_sha256, drift).await?;
        Ok(Some(PlanInput { binding, declared, settings, ..input }))
    }

    /// All current drift. If the rest is known from before, only the drift of touched bridges is read.
    async fn drift_after(
        &mut self,
        touched: &Touched,
        stored: Option<&PlanInput>,
    ) -> Result<Vec<Drift>, Error> {
        let (Some(stored), Touched::Bridges(ids)) = (stored, touched) else {
            return drift(self, None).await;
        };
        let mut rows = drift(self, Some(ids)).await?;
        // These compare bridges with each other, so that one touched bridge changes the others' rows.
        let compares = |row: &Drift| matches!(row.kind, Kind::UnmappedStatus | Kind::PhoneShared);
        if rows.iter().chain(&stored.drift).any(compares) {
            return drift(self, None).await;
        }
        let among: HashSet<i64> = ids.iter().copied().collect();
        let is_touched = |row: &&Drift| row.bridge_id.is_some_and(|id| among.contains(&id.get()));
        rows.extend(stored.drift.iter().filter(|row| !is_touched(row)).cloned());
        rows.sort_by(Drift::order);
        Ok(rows)
    }

    /// Completes the plan input with the current numbers.
    async fn with_numbers(
        &mut self,
        fleet: &Fleet,
        observation: String,
        drift: Vec<Drift>,
    ) -> Result<PlanInput, Error> {
        let (bridges, price) = self.numbers().await?;
        let live = self.live(&fleet.remove).await?;
        let wasteful = drift.iter().filter(|row| row.kind.wastes()).filter_map(|row| row.bridge_id);
        let uses = self.uses(live.keys().copied().chain(wasteful)).await?;
        Ok(PlanInput {
            binding: None,
            declared: Declared::default(),
            settings: Vec::new(),
            drift,
            bridges,
            price,
            listed: usize::try_from(bridges).unwrap_or(0),
            malformed: 0,
            live,
            uses,
            observation,
            recent: Vec::new(),
        })
    }

    /// Makes wab_declared match fleet.yaml; writes only rows that differ.
    pub(super) async fn declare(&mut self, fleet: &Fleet) -> Result<Declared, Error> {
        let extras = fleet.extra.iter().map(|item| (item.tenant_id.as_str(), "extra", &item.reason, None));
        let keeps =
            fleet.keep.iter().map(|item| (item.customer_ref.as_str(), "keep", &item.reason, item.until));
        let rows: Vec<(&str, &str, &String, Option<NaiveDate>)> = extras.chain(keeps).collect();
        let changed: Vec<Changed> = query_as(self.names.sql(include_str!("evaluate/declare.sql")))
            .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.3).collect::<Vec<_>>())
            .bind(fleet.webhook.as_ref().and_then(Webhook::template).map(WebhookTemplate::as_str))
            .bind(WebhookTemplate::PLACEHOLDER)
            .bind(fleet.webhook.is_none())
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database("cannot store what fleet.yaml declares"))?;
        let (written, removed): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|changed| changed.is_written);
        let exceptions = |changed: Vec<Changed>| changed.into_iter().map(Exception::from).collect();
        Ok(Declared { written: exceptions(written), removed: exceptions(removed) })
    }

    /// Fails if an exception or a tombstone is about a bridge of another database that shares the account.
    async fn require_ours(&mut self, fleet: &Fleet) -> Result<(), Error> {
        let extra = fleet.extra.iter().map(|item| ("bridges.extra", &item.tenant_id));
        let keep = fleet.keep.iter().map(|item| ("bridges.keep", &item.customer_ref));
        let remove = fleet.remove.iter().map(|item| ("bridges.remove", &item.customer_ref));
        let named: Vec<_> = extra.chain(keep).chain(remove).collect();
        let outside: Vec<String> = query_scalar(self.names.sql(include_str!("evaluate/outside.sql")))
            .bind(named.iter().map(|(_, customer_ref)| customer_ref.as_str()).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await
            .map_err(Error::database("cannot compare what fleet.yaml declares with tenants.customer_refs"))?;
        let Some((key, customer_ref)) =
            named.iter().find(|(_, it)| outside.iter().any(|out| out == it.as_str()))
        else {
            return Ok(());
        };
        Err(Error::config(
            format!(
                "{key}: {customer_ref} does not match tenants.customer_refs, so its bridge is another database's"
            ),
            "move the entry to the fleet.yaml of that database, or change tenants.customer_refs",
        ))
    }

    pub(super) async fn numbers(&mut self) -> Result<(i64, rust_decimal::Decimal), Error> {
        query_as(self.names.sql(include_str!("evaluate/numbers.sql")))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database("cannot read the fleet's numbers"))
    }

    /// Of these bridges, those that may be in use although the drift names them as unneeded, and by whom.
    pub(super) async fn uses(
        &mut self,
        ids: impl Iterator<Item = BridgeId>,
    ) -> Result<BTreeMap<BridgeId, String>, Error> {
        let ids: BTreeSet<i64> = ids.map(BridgeId::get).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = self.sql(include_str!("evaluate/uses.sql"));
        let mut tx = self.under_binding_path().await?;
        let uses: Vec<(i64, String)> = query_as(sql)
            .bind(ids.into_iter().collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await
            .map_err(Error::database("cannot look up who uses the bridges that may be removed"))?;
        tx.rollback().await.map_err(Error::database("cannot look up who uses the bridges"))?;
        Ok(uses.into_iter().filter_map(|(id, by)| Some((BridgeId::new(id)?, by))).collect())
    }

    /// The live bridges that tombstones name, with their customer_refs.
    async fn live(&mut self, tombstones: &[Tombstone]) -> Result<BTreeMap<BridgeId, Option<String>>, Error> {
        let ids: Vec<i64> = tombstones.iter().map(|tombstone| tombstone.bridge_id.get()).collect();
        let live: Vec<(i64, Option<String>)> = query_as(self.names.sql(
            "SELECT b.bridge_id, b.customer_ref FROM @extschema@.wab_bridges b WHERE b.bridge_id = ANY ($1)",
        ))
        .bind(ids)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(Error::database("cannot look up the tombstones' bridges"))?;
        Ok(live
            .into_iter()
            .filter_map(|(id, customer_ref)| Some((BridgeId::new(id)?, customer_ref)))
            .collect())
    }
}
