//! What the pairing page asks the database. The database sees no token, only its SHA-256.

use std::time::Duration;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::db::stores::{Stores, in_time};
use crate::model::Error;

const OPENING: &str = "cannot look up a pairing link";

/// PostgreSQL ends a look-up after this time.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '3s'";

/// A pairing link that works.
#[derive(Clone, Debug)]
pub struct OpenedLink {
    /// Its row.
    pub link_id: i64,
    /// The tenant's id.
    pub customer_ref: CustomerRef,
    /// The bridge that it pairs.
    pub bridge_id: i64,
    /// When it expires.
    pub valid_until: DateTime<Utc>,
}

impl Stores {
    /// Looks up a usable link by the SHA-256 of its token.
    pub async fn opened_link(&self, token_sha256: &str) -> Result<Option<OpenedLink>, Error> {
        in_time(OPENING, async {
            let mut store = self.lend().await?;
            let link = store.opened_link(token_sha256).await?;
            store.hand_back();
            Ok(link)
        })
        .await
    }

    /// Whether the bridge of a link that worked before was paired.
    pub async fn was_paired(&self, link_id: i64) -> Result<bool, Error> {
        in_time(OPENING, async {
            let mut store = self.lend().await?;
            let was_paired = store.was_paired(link_id).await?;
            store.hand_back();
            Ok(was_paired)
        })
        .await
    }

    /// The address of the pairing page.
    pub async fn pairing_url(&self) -> Result<Option<String>, Error> {
        const DOING: &str = "cannot read the address of the pairing page";
        in_time(DOING, async {
            let mut store = self.lend().await?;
            let read = query_scalar(store.names.sql("SELECT p.pairing_url FROM @extschema@.wab_policy p"));
            let url = store.session.run(DOING, async |conn| read.fetch_one(conn).await).await?;
            store.hand_back();
            Ok(url)
        })
        .await
    }
}

impl Store {
    async fn opened_link(&mut self, token_sha256: &str) -> Result<Option<OpenedLink>, Error> {
        let open = "SELECT o.link_id, o.customer_ref, o.bridge_id, o.valid_until
                    FROM @extschema@._wab_opened_link(pg_catalog.decode($1, 'hex')) o";
        let open = query_as(self.names.sql(open)).bind(token_sha256);
        let mut tx = self.session.begin_with(BEGIN).await?;
        let opened: Option<(i64, String, i64, DateTime<Utc>)> =
            open.fetch_optional(&mut *tx).await.map_err(Error::database(OPENING))?;
        tx.rollback().await.map_err(Error::database(OPENING))?;
        // No URL of the provider holds an id that is no CustomerRef.
        Ok(opened.and_then(|(link_id, customer_ref, bridge_id, valid_until)| {
            let customer_ref = CustomerRef::new(customer_ref).ok()?;
            Some(OpenedLink { link_id, customer_ref, bridge_id, valid_until })
        }))
    }

    /// Whether the bridge of a link was paired while the link was valid.
    pub async fn was_paired(&mut self, link_id: i64) -> Result<bool, Error> {
        let ask = "SELECT coalesce(@extschema@._wab_link_state($1) OPERATOR(pg_catalog.=) 'paired', false)";
        let ask = query_scalar(self.names.sql(ask)).bind(link_id);
        let mut tx = self.session.begin_with(BEGIN).await?;
        let was_paired = ask.fetch_one(&mut *tx).await.map_err(Error::database(OPENING))?;
        tx.rollback().await.map_err(Error::database(OPENING))?;
        Ok(was_paired)
    }

    /// Revokes the tenant's links after its phone was paired.
    pub async fn end_links(&mut self, customer_ref: &CustomerRef, who: &str) -> Result<(), Error> {
        let end = query(self.names.sql("SELECT @extschema@._wab_revoke_links($1, $2)"));
        let end = end.bind(customer_ref.as_str()).bind(who);
        let doing = "cannot end the pairing links of a tenant";
        self.session.run(doing, async |conn| end.execute(conn).await.map(drop)).await
    }

    /// How long the pairing code is valid that was requested for this tenant last.
    pub async fn code_valid_for(&mut self, customer_ref: &CustomerRef) -> Result<Duration, Error> {
        let read = "SELECT coalesce(extract(epoch FROM max(c.valid_until) - clock_timestamp()), 0)::float8
                    FROM @extschema@.wab_pairing_codes c WHERE c.customer_ref = $1";
        let read = query_scalar(self.names.sql(read)).bind(customer_ref.as_str());
        let doing = "cannot read how long a pairing code is valid";
        let seconds: f64 = self.session.run(doing, async |conn| read.fetch_one(conn).await).await?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }
}
