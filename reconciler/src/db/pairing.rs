//! Reads which bridges are to be repaired, and records the pairing codes that are requested for them.

use std::time::Instant;

use chrono::{DateTime, Utc};
use wabridges::CustomerRef;

use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::model::Error;

/// The status of a session for which a code was made.
const SHOWS_CODE: &str = "qr";

/// A code that is about to be requested.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its row in wab_pairing_codes.
    pub code_id: i64,
    /// Until about when WhatsApp accepts the code.
    pub valid_until: DateTime<Utc>,
}

impl Store {
    /// The customer_refs of wab_to_repair, in its order. One that no URL can hold is left out.
    pub async fn bridges_to_repair(&mut self) -> Result<Vec<CustomerRef>, Error> {
        const DOING: &str = "cannot read wab_to_repair";
        self.require_binding().await?;
        self.require_all_rows().await?;
        let mut evaluation = self.evaluation().await?;
        let read = evaluation.sql("SELECT r.customer_ref FROM @views@.wab_to_repair r ORDER BY r.nth");
        let mut tx = evaluation.under_binding_path().await?;
        let refs: Vec<String> =
            query_scalar(read).fetch_all(&mut *tx).await.map_err(Error::database(DOING))?;
        tx.rollback().await.map_err(Error::database(DOING))?;
        evaluation.rollback().await?;
        Ok(refs.into_iter().filter_map(|text| CustomerRef::new(text).ok()).collect())
    }

    /// When the fleet was last observed.
    pub async fn observed_at(&mut self) -> Result<Option<DateTime<Utc>>, Error> {
        let read =
            query_scalar(self.names.sql("SELECT o.observed_at FROM @extschema@._wab_last_observation() o"));
        let doing = "cannot read the last observation";
        self.session.run(doing, async |conn| read.fetch_optional(conn).await).await
    }

    /// Records, before the call, that a code is requested; `None` if the tenant has a valid one, which a second one would
    /// make invalid.
    pub async fn claim_code(
        &mut self,
        customer_ref: &CustomerRef,
        who: &str,
    ) -> Result<Option<Claim>, Error> {
        let claim = "SELECT c.code_id, c.valid_until FROM @extschema@._wab_claim_code($1, $2) c";
        let claim = query_as(self.names.sql(claim)).bind(customer_ref.as_str()).bind(who);
        let doing = "cannot record that a pairing code is requested";
        let claimed = self.session.run(doing, async |conn| claim.fetch_optional(conn).await).await?;
        Ok(claimed.map(|(code_id, valid_until)| Claim { code_id, valid_until }))
    }

    /// Records that a code was made, and the status that its session has then.
    pub async fn note_code(
        &mut self,
        customer_ref: &CustomerRef,
        who: &str,
        asked: Instant,
    ) -> Result<(), Error> {
        let note =
            "SELECT n.code_id, @extschema@._wab_record_session($1, $3, clock_timestamp() - make_interval(secs => $4))
             FROM @extschema@._wab_note_code($1, $2) n";
        let note = query(self.names.sql(note))
            .bind(customer_ref.as_str())
            .bind(who)
            .bind(SHOWS_CODE)
            .bind(asked.elapsed().as_secs_f64());
        let doing = "cannot record that a pairing code was requested";
        self.session.run(doing, async |conn| note.execute(conn).await.map(drop)).await
    }

    /// Deletes the record of a code that was not made.
    pub async fn release_code(&mut self, claim: Claim) -> Result<(), Error> {
        let delete = "DELETE FROM @extschema@.wab_pairing_codes WHERE code_id = $1";
        let delete = query(self.names.sql(delete)).bind(claim.code_id);
        let doing = "cannot record that no pairing code was made";
        self.session.run(doing, async |conn| delete.execute(conn).await.map(drop)).await
    }

    /// Records that a session, when it was asked, showed a code.
    pub async fn record_shown_code(
        &mut self,
        customer_ref: &CustomerRef,
        asked: Instant,
    ) -> Result<(), Error> {
        self.record_session(customer_ref, SHOWS_CODE, asked).await
    }

    /// Records the status that a session reported when it was asked.
    pub async fn record_session(
        &mut self,
        customer_ref: &CustomerRef,
        raw_status: &str,
        asked: Instant,
    ) -> Result<(), Error> {
        let record =
            "SELECT @extschema@._wab_record_session($1, $2, clock_timestamp() - make_interval(secs => $3))";
        let record = query(self.names.sql(record))
            .bind(customer_ref.as_str())
            .bind(raw_status)
            .bind(asked.elapsed().as_secs_f64());
        let doing = "cannot record the status of a session";
        self.session.run(doing, async |conn| record.execute(conn).await.map(drop)).await
    }
}
