//! Reads the drift views under the binding's search_path: its expressions may call functions that look names up there.
//! Every name and operator in such a statement must be qualified.

use sqlx::{Connection, Postgres, Transaction};

use crate::db::evaluation::Evaluation;
use crate::db::statement::query;
use crate::model::Error;

impl Evaluation<'_> {
    /// A part of the transaction in which the search_path of the binding, or of its preview, holds. It is for
    /// reading: dropping it rolls it back.
    pub(super) async fn under_binding_path(&mut self) -> Result<Transaction<'_, Postgres>, Error> {
        const DOING: &str = "cannot set the search_path of the binding";
        let previewed = self.preview.as_ref().map(|preview| preview.resolved_in.clone());
        let set = self
            .names
            .sql("SELECT pg_catalog.set_config('search_path', @extschema@._wab_binding_path($1), true)");
        let mut tx = self.tx.begin().await.map_err(Error::database(DOING))?;
        query(set).bind(previewed).execute(&mut *tx).await.map_err(Error::database(DOING))?;
        Ok(tx)
    }
}
