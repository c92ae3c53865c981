//! Chooses the sessions to ask for their status, and stores the answers.

use wabridges::{BridgeId, CustomerRef};

use crate::db::evaluation::Evaluation;
use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::model::{Error, Polled};

const NOT_STORED: &str = "the answers of the sessions were not stored";

impl Store {
    /// Up to `max` of these bridges, in the order to ask them.
    pub async fn poll_candidates(
        &mut self,
        max: u16,
        among: &[(BridgeId, CustomerRef)],
    ) -> Result<Vec<(BridgeId, CustomerRef)>, Error> {
        let candidates = self
            .names
            .sql("SELECT c.bridge_id, c.customer_ref FROM @extschema@._wab_poll_candidates($1, $2, $3) c");
        let candidates = query_as(candidates)
            .bind(i32::from(max))
            .bind(among.iter().map(|(id, _)| id.get()).collect::<Vec<_>>())
            .bind(among.iter().map(|(_, customer_ref)| customer_ref.as_str()).collect::<Vec<_>>());
        let doing = "cannot choose the sessions to ask for their status";
        let chosen: Vec<(i64, String)> =
            self.session.run(doing, async |conn| candidates.fetch_all(conn).await).await?;
        let typed = |(id, customer_ref)| BridgeId::new(id).zip(CustomerRef::new(customer_ref).ok());
        Ok(chosen.into_iter().filter_map(typed).collect())
    }
}

impl Store {
    /// How many of these bridges belong to this database.
    pub async fn count_ours(&mut self, among: &[(BridgeId, CustomerRef)]) -> Result<usize, Error> {
        let outside = query_scalar(self.names.sql(include_str!("evaluate/outside.sql")))
            .bind(among.iter().map(|(_, customer_ref)| customer_ref.as_str()).collect::<Vec<_>>());
        let doing = "cannot tell the bridges of this database from those of others";
        let outside: Vec<String> =
            self.session.run(doing, async |conn| outside.fetch_all(conn).await).await?;
        Ok(among.len().saturating_sub(outside.len()))
    }
}

impl Evaluation<'_> {
    /// Stores the answers. They are newer than the listing, which is stored first.
    pub(super) async fn observe_statuses(&mut self, polled: &Polled) -> Result<(), Error> {
        query(self.names.sql("SELECT @extschema@._wab_observe_statuses($1, $2, $3)"))
            .bind(polled.result.answers.iter().map(|(id, _)| id.get()).collect::<Vec<_>>())
            .bind(polled.result.column(|session| Some(&session.raw_status)))
            .bind(polled.asked_at)
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(NOT_STORED))?;
        query(self.names.sql("SELECT @extschema@._wab_observe_phones($1, $2, $3, $4, $5)"))
            .bind(polled.result.answers.iter().map(|(id, _)| id.get()).collect::<Vec<_>>())
            .bind(polled.result.column(|session| session.phone.as_deref()))
            .bind(polled.result.column(|session| session.jid.as_deref()))
            .bind(polled.result.column(|session| session.name.as_deref()))
            .bind(polled.asked_at)
            .execute(&mut *self.tx)
            .await
            .map(drop)
            .map_err(Error::database(NOT_STORED))
    }
}
