//! The transaction of an evaluation.

use sqlx::{Postgres, Transaction};

use crate::db::names::Names;
use crate::model::Error;

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Evaluation<'c> {
    pub(super) tx: Transaction<'c, Postgres>,
    pub(super) names: &'c Names,
}

impl<'c> Evaluation<'c> {
    pub(super) fn new(tx: Transaction<'c, Postgres>, names: &'c Names) -> Self {
        Self { tx, names }
    }

    /// Keeps the result.
    pub async fn commit(self) -> Result<(), Error> {
        self.tx.commit().await.map_err(Error::database("cannot store the observation"))
    }

    /// Discards the result.
    pub async fn rollback(self) -> Result<(), Error> {
        self.tx.rollback().await.map_err(Error::database("cannot roll back the evaluation"))
    }
}
