//! The incidents that are due for an alert. One transaction reads them, stays open while they are sent, and records the result.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use crate::db::names::Names;
use crate::db::statement::{query, query_as, query_scalar};
use crate::db::store::Store;
use crate::model::Error;

const READING: &str = "cannot read the incidents that are due";
const RECORDING: &str = "cannot record what became of the alerts";

/// The open transaction. Dropping it records nothing, so that the same incidents stay due.
pub struct Alerts<'a> {
    tx: Transaction<'a, Postgres>,
    names: &'a Names,
}

/// A document for the receiver, and the incidents whose beginning or end it tells.
pub struct Due {
    /// JSON.
    pub document: String,
    /// Ids of incidents.
    pub began: Vec<String>,
    /// Ids of incidents.
    pub ended: Vec<String>,
    /// Of those that began, the ones that it tells to be of one bridge.
    pub alone: Vec<String>,
}

impl Store {
    /// Opens the transaction.
    pub async fn alerts(&mut self) -> Result<Alerts<'_>, Error> {
        Ok(Alerts { tx: self.session.begin().await?, names: &self.names })
    }
}

impl Alerts<'_> {
    /// Whether this transaction may send: `ready`, `busy` or `waiting`.
    pub async fn readiness(&mut self) -> Result<String, Error> {
        query_scalar(self.names.sql("SELECT @extschema@._wab_begin_alerts()"))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database(READING))
    }

    /// What is due.
    pub async fn due(&mut self) -> Result<Due, Error> {
        let due = "SELECT d.document::text, d.began, d.ended, d.alone FROM @extschema@._wab_due_alerts() d";
        let (document, began, ended, alone) =
            query_as(self.names.sql(due)).fetch_one(&mut *self.tx).await.map_err(Error::database(READING))?;
        Ok(Due { document, began, ended, alone })
    }

    /// Records that the receiver has the document.
    pub async fn sent(mut self, due: &Due) -> Result<(), Error> {
        query(self.names.sql("SELECT @extschema@._wab_alerts_sent($1, $2, $3)"))
            .bind(&due.began)
            .bind(&due.ended)
            .bind(&due.alone)
            .execute(&mut *self.tx)
            .await
            .map_err(Error::database(RECORDING))?;
        self.tx.commit().await.map_err(Error::database(RECORDING))
    }

    /// Records why the receiver does not have it; returns when to try again.
    pub async fn failed(mut self, error: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let next = query_scalar(self.names.sql("SELECT @extschema@._wab_alerts_failed($1)"))
            .bind(error)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(Error::database(RECORDING))?;
        self.tx.commit().await.map_err(Error::database(RECORDING))?;
        Ok(next)
    }
}
