//! The transaction in which a plan's facts are gathered: bind, declare, observe, read. The caller ends it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::Row;
use wabridges::{BridgeId, Listing};

use crate::config::fleet::{Fleet, Tombstone, WebhookTemplate};
use crate::db::drift::drift;
use crate::db::evaluation::Evaluation;
use crate::model::drift::Drift;
use crate::model::error::Error;
use crate::model::facts::{BindingChange, Declared, Facts};
use crate::model::force::Force;
use crate::model::polled::Polled;
use crate::model::reading::Reading;

/// What stores that an equal listing came again.
const AGAIN: &str = "wab_observe_again(text,timestamptz,text,text)";

/// What was seen of the provider.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The listing.
    pub reading: &'a Reading,
    /// What sessions said that were asked before it.
    pub polled: Option<&'a Polled>,
}

impl Evaluation<'_> {
    /// Brings binding, declared rows and observation up to date inside the transaction, and reads what follows.
    pub async fn facts(&mut self, fleet: &Fleet, seen: Seen<'_>, force: Force) -> Result<Facts, Error> {
        let Seen { reading, polled } = seen;
        let binding = self.bind(fleet).await?;
        let declared = self.declare(fleet).await?;
        self.observe(reading, force).await?;
        if let Some(polled) = polled {
            self.observe_statuses(polled).await?;
        }
        let (observation, _) = self.observation().await?;
        let facts = self.what_follows(fleet, (binding, declared, observation)).await?;
        // What did not need to be read is what wab_bridges holds.
        Ok(match reading.listed.if_read() {
            Some(Listing { bridges, malformed }) => {
                Facts { listed: bridges.len(), malformed: malformed.len(), ..facts }
            }
            None => facts,
        })
    }

    /// What would be found if the listing were the one that is stored; `None` if something else was written since.
    pub async fn standing_facts(&mut self, fleet: &Fleet) -> Result<Option<Facts>, Error> {
        let (observation, mirrored) = self.observation().await?;
        if !mirrored {
            return Ok(None);
        }
        let binding = self.bind(fleet).await?;
        let declared = self.declare(fleet).await?;
        self.what_follows(fleet, (binding, declared, observation)).await.map(Some)
    }

    /// The drift and the numbers, as everything stands now.
    async fn what_follows(
        &mut self,
        fleet: &Fleet,
        (binding, declared, observation): (Option<BindingChange>, Declared, String),
    ) -> Result<Facts, Error> {
        let drift = self.drift().await?;
        let (bridges, price) = self.numbers().await?;
        Ok(Facts {
            binding,
            declared,
            drift,
            bridges,
            price,
            listed: usize::try_from(bridges).unwrap_or(0),
            malformed: 0,
            live: self.live(&fleet.remove).await?,
            observation,
            recent: Vec::new(),
        })
    }

    /// Makes wab_declared say what fleet.yaml says; only rows that differ are written.
    pub(super) async fn declare(&mut self, fleet: &Fleet) -> Result<Declared, Error> {
        const DOING: &str = "cannot store what fleet.yaml declares";
        let extras = fleet.extra.iter().map(|item| (item.tenant_id.as_str(), "extra", &item.reason, None));
        let keeps =
            fleet.keep.iter().map(|item| (item.customer_ref.as_str(), "keep", &item.reason, item.until));
        let rows: Vec<(&str, &str, &String, Option<NaiveDate>)> = extras.chain(keeps).collect();
        let row = sqlx::query(self.names.sql(
            "WITH wished AS MATERIALIZED (
                 SELECT w.customer_ref, w.kind, w.reason, w.until,
                        CASE w.kind WHEN 'extra' THEN
                            replace($5, $6, @extschema@.wab_url_encode(w.customer_ref)) END AS webhook_url
                 FROM unnest($1::text[], $2::text[], $3::text[], $4::date[]) AS w(customer_ref, kind, reason, until)
             ), gone AS (
                 DELETE FROM @extschema@.wab_declared d
                 WHERE NOT EXISTS (SELECT FROM wished w WHERE w.customer_ref = d.customer_ref) RETURNING 1
             ), written AS (
                 INSERT INTO @extschema@.wab_declared AS d (customer_ref, kind, reason, until, webhook_url)
                 SELECT w.customer_ref, w.kind, w.reason, w.until, w.webhook_url FROM wished w
                 ON CONFLICT (customer_ref) DO UPDATE
                 SET kind = excluded.kind, reason = excluded.reason, until = excluded.until,
                     webhook_url = excluded.webhook_url
                 WHERE (d.kind, d.reason, d.until, d.webhook_url)
                       IS DISTINCT FROM (excluded.kind, excluded.reason, excluded.until, excluded.webhook_url)
                 RETURNING 1
             )
             SELECT (SELECT count(*) FROM written) AS written, (SELECT count(*) FROM gone) AS removed",
        ))
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.3).collect::<Vec<_>>())
        .bind(fleet.webhook_url.as_ref().map(WebhookTemplate::as_str))
        .bind(WebhookTemplate::PLACEHOLDER)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(Error::database(DOING))?;
        let read = || Ok(Declared { written: row.try_get("written")?, removed: row.try_get("removed")? });
        read().map_err(Error::database(DOING))
    }

    pub(super) async fn observe(&mut self, reading: &Reading, force: Force) -> Result<(), Error> {
        if force == Force::FirstRun {
            self.require_first_run().await?;
        }
        let knows_digests = self.names.know(&mut self.tx, AGAIN).await?;
        if knows_digests && reading.listed.malformed().is_empty() && self.observe_again(reading).await? {
            return Ok(());
        }
        let Listing { bridges, malformed } = reading.listing()?;
        // Objects of 0.1.0 take no digests.
        let statement = format!(
            "SELECT o.skipped FROM @extschema@.wab_observe($1, $2, $3, $4, $5, $6, 'wab', $7, $8{}) o",
            if knows_digests { ", $9, $10" } else { "" }
        );
        let query = sqlx::query(self.names.sql(&statement))
            .bind(bridges.iter().map(|b| b.id.get()).collect::<Vec<_>>())
            .bind(bridges.iter().map(|b| b.customer_ref.as_ref().map(|r| r.as_str())).collect::<Vec<_>>())
            .bind(bridges.iter().map(|b| b.state.as_deref()).collect::<Vec<_>>())
            .bind(bridges.iter().map(|b| b.raw_status.as_deref()).collect::<Vec<_>>())
            .bind(bridges.iter().map(|b| b.created_at).collect::<Vec<_>>())
            .bind(reading.listed_at)
            .bind(i32::try_from(malformed.len()).unwrap_or(i32::MAX))
            .bind(force != Force::No);
        let query = match knows_digests {
            true => query.bind(reading.listed.digest()).bind(reading.listed.answer_digest()),
            false => query,
        };
        let skipped: bool =
            query.fetch_one(&mut *self.tx).await.and_then(|row| row.try_get("skipped")).map_err(|error| {
                Error::database("the listing was not stored")(error).refused_by(&["55000"])
            })?;
        if skipped { Err(Error::Overtaken) } else { Ok(()) }
    }

    /// Stores that the listing is the one before, in one row; false if it may not be.
    async fn observe_again(&mut self, reading: &Reading) -> Result<bool, Error> {
        sqlx::query(self.names.sql("SELECT FROM @extschema@.wab_observe_again($1, $2, 'wab', $3)"))
            .bind(reading.listed.digest())
            .bind(reading.listed_at)
            .bind(reading.listed.answer_digest())
            .fetch_optional(&mut *self.tx)
            .await
            .map(|row| row.is_some())
            .map_err(Error::database("the listing was not stored"))
    }

    /// The digest of the last observation, and whether wab_bridges still says what it said.
    async fn observation(&mut self) -> Result<(String, bool), Error> {
        const DOING: &str = "cannot read the observation's digest";
        // Objects of 0.1.0 do not say whether.
        let row = sqlx::query(self.names.sql(
            "SELECT o.digest, coalesce((to_jsonb(o) ->> 'mirrored')::boolean, false) AS mirrored
             FROM @extschema@.wab_last_observation() o",
        ))
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(Error::database(DOING))?;
        let Some(row) = row else { return Ok((String::new(), false)) };
        let read = || Ok((row.try_get("digest")?, row.try_get("mirrored")?));
        read().map_err(Error::database(DOING))
    }

    async fn require_first_run(&mut self) -> Result<(), Error> {
        let known: i64 = sqlx::query(self.names.sql("SELECT count(*) FROM @extschema@.wab_bridges"))
            .fetch_one(&mut *self.tx)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(Error::database("cannot count the bridges known so far"))?;
        if known == 0 {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!("--first-run: this is no first run, {known} bridges are known already"),
            hint: "leave --first-run out; if bridges really are gone from the account: --accept-shrink"
                .to_owned(),
        })
    }

    pub(super) async fn drift(&mut self) -> Result<Vec<Drift>, Error> {
        drift(&mut self.tx, self.names).await
    }

    pub(super) async fn numbers(&mut self) -> Result<(i64, rust_decimal::Decimal), Error> {
        const DOING: &str = "cannot read the fleet's numbers";
        let row = sqlx::query(self.names.sql(
            "SELECT (SELECT count(*) FROM @extschema@.wab_bridges) AS bridges,
                    (SELECT p.price_per_bridge FROM @extschema@.wab_policy p) AS price",
        ))
        .fetch_one(&mut *self.tx)
        .await
        .map_err(Error::database(DOING))?;
        Ok((
            row.try_get("bridges").map_err(Error::database(DOING))?,
            row.try_get("price").map_err(Error::database(DOING))?,
        ))
    }

    /// Which of the tombstones' bridges are live, and with which customer_ref.
    async fn live(&mut self, tombstones: &[Tombstone]) -> Result<BTreeMap<BridgeId, Option<String>>, Error> {
        const DOING: &str = "cannot look the tombstones' bridges up";
        let rows = sqlx::query(self.names.sql(
            "SELECT b.bridge_id, b.customer_ref FROM @extschema@.wab_bridges b WHERE b.bridge_id = ANY ($1)",
        ))
        .bind(tombstones.iter().map(|tombstone| tombstone.bridge_id.get()).collect::<Vec<_>>())
        .fetch_all(&mut *self.tx)
        .await
        .map_err(Error::database(DOING))?;
        let mut live = BTreeMap::new();
        for row in rows {
            let id = row.try_get("bridge_id").map_err(Error::database(DOING))?;
            if let Some(id) = BridgeId::new(id) {
                live.insert(id, row.try_get("customer_ref").map_err(Error::database(DOING))?);
            }
        }
        Ok(live)
    }
}
