//! The transaction of an evaluation.

use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::db::copy::copy;
use crate::db::names::Names;
use crate::db::session::commit;
use crate::model::{Binding, Error};

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Evaluation<'c> {
    pub(super) tx: Transaction<'c, Postgres>,
    /// Where the evaluation reads and writes: at home, or in a copy.
    pub(super) names: Names,
    /// Where the `wab_` objects are installed.
    pub(super) home: &'c Names,
    pub(super) preview: Option<Preview>,
}

/// A binding that differs from the stored one. Temporary views show the fleet with it, because replacing the real
/// views would make their readers wait.
#[derive(Clone, Debug)]
pub(super) struct Preview {
    pub oid: Oid,
    pub binding: Binding,
    pub resolved_in: String,
}

impl<'c> Evaluation<'c> {
    pub(super) fn new(tx: Transaction<'c, Postgres>, home: &'c Names) -> Self {
        Self { tx, names: home.clone(), home, preview: None }
    }

    /// As `new`, in a copy of the objects. It must be rolled back.
    pub(super) async fn in_copy(mut tx: Transaction<'c, Postgres>, home: &'c Names) -> Result<Self, Error> {
        let names = copy(&mut tx, home).await?;
        Ok(Self { tx, names, home, preview: None })
    }

    /// Whether the objects are a copy, which has no views until a binding is previewed.
    pub(super) fn is_copy(&self) -> bool {
        self.names.schema != self.home.schema
    }

    /// The statement with `@views@` replaced by the schema of the views to read, and `@extschema@` by ours.
    pub(super) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        self.names
            .sql(&text.replace("@views@", if self.preview.is_some() { "pg_temp" } else { "@extschema@" }))
    }

    /// Keeps the result.
    pub async fn commit(self) -> Result<(), Error> {
        commit(self.tx, "cannot store the observation").await
    }

    /// Discards the result.
    pub async fn rollback(self) -> Result<(), Error> {
        self.tx.rollback().await.map_err(Error::database("cannot roll back the evaluation"))
    }
}
