//! Makes and revokes pairing links.

use std::time::Duration;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::db::evaluation::Evaluation;
use crate::db::statement::{query_as, query_scalar};
use crate::db::store::Store;
use crate::ground::harmless;
use crate::model::{Error, Link, LinkRefusal, LinkRow, MadeLink};

const DOING: &str = "cannot make pairing links";

/// The tenants to make links for.
#[derive(Clone, Copy, Debug)]
pub enum LinkFor<'a> {
    /// One tenant.
    Tenant(&'a CustomerRef),
    /// Those of wab_to_repair, in its order.
    ToRepair,
    /// Those of wab_to_nudge, in its order.
    ToNudge,
}

/// A row of `_wab_make_links()`: customer_ref, link, valid_until, refusal, hint.
type Made = (String, Option<String>, Option<DateTime<Utc>>, Option<String>, Option<String>);

impl Store {
    /// Makes the links in one transaction: all of them are kept, or none is. A tenant for whom none can be made is a row too.
    pub async fn make_links(
        &mut self,
        whom: LinkFor<'_>,
        valid_for: Duration,
        who: &str,
    ) -> Result<Vec<LinkRow>, Error> {
        self.require_binding().await?;
        self.require_all_rows().await?;
        let mut evaluation = self.evaluation().await?;
        let refs = match whom {
            LinkFor::Tenant(tenant) => vec![tenant.as_str().to_owned()],
            LinkFor::ToRepair => refs_of(&mut evaluation, "wab_to_repair").await?,
            LinkFor::ToNudge => refs_of(&mut evaluation, "wab_to_nudge").await?,
        };
        let make = "SELECT m.customer_ref, m.link, m.valid_until, m.refusal, m.hint
                    FROM @extschema@._wab_make_links($1, make_interval(secs => $2), $3) m";
        let made: Vec<Made> = query_as(evaluation.names.sql(make))
            .bind(refs)
            .bind(valid_for.as_secs_f64())
            .bind(who)
            .fetch_all(&mut *evaluation.tx)
            .await
            .map_err(Error::database(DOING))?;
        evaluation.tx.commit().await.map_err(Error::database(DOING))?;
        Ok(made.into_iter().map(row).collect())
    }

    /// Revokes the links of a tenant; returns how many were usable.
    pub async fn revoke_links(&mut self, tenant: &CustomerRef, who: &str) -> Result<u64, Error> {
        let revoke = query_scalar(self.names.sql("SELECT @extschema@._wab_revoke_links($1, $2)"))
            .bind(tenant.as_str())
            .bind(who);
        let doing = "cannot revoke the pairing links";
        let usable: i64 = self.session.run(doing, async |conn| revoke.fetch_one(conn).await).await?;
        Ok(usable.unsigned_abs())
    }
}

/// The customer_refs of this view, in its order.
async fn refs_of(evaluation: &mut Evaluation<'_>, view: &str) -> Result<Vec<String>, Error> {
    let read = evaluation.sql(&format!("SELECT v.customer_ref FROM @views@.{view} v ORDER BY v.nth"));
    let mut tx = evaluation.under_binding_path().await?;
    let refs = query_scalar(read).fetch_all(&mut *tx).await.map_err(Error::database(DOING))?;
    tx.rollback().await.map_err(Error::database(DOING))?;
    Ok(refs)
}

fn row((tenant_id, link, valid_until, refusal, hint): Made) -> LinkRow {
    let made = match (link, valid_until) {
        (Some(link), Some(valid_until)) => Ok(MadeLink { link: Link::new(link), valid_until }),
        _ => Err(LinkRefusal {
            what: harmless(&refusal.unwrap_or_default()),
            hint: harmless(&hint.unwrap_or_default()),
        }),
    };
    LinkRow { tenant_id, made }
}
