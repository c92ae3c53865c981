//! The transaction in which everything is evaluated; the caller ends it.

use sqlx::{Postgres, Transaction};

use crate::db::names::Names;
use crate::model::Error;

/// An open transaction; dropping it rolls back.
#[derive(Debug)]
pub struct Evaluation<'c> {
    pub(super) tx: Transaction<'c, Postgres>,
    pub(super) names: &'c Names,
}

impl<'c> Evaluation<'c> {
    pub(super) fn new(tx: Transaction<'c, Postgres>, names: &'c Names) -> Self {
        Self { tx, names }
    }

    /// Keeps what was evaluated.
    pub async fn commit(self) -> Result<(), Error> {
        self.tx.commit().await.map_err(Error::database("cannot store the observation"))
    }

    /// Forgets what was evaluated.
    pub async fn rollback(self) -> Result<(), Error> {
        self.tx.rollback().await.map_err(Error::database("cannot roll the evaluation back"))
    }
}
