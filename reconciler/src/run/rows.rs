//! Steps that write tenant rows: one statement for all of them, which reports the rows that were not written.

use crate::db::store::Unwritten;
use crate::model::{Error, Step};
use crate::run::executor::Executor;
use crate::run::step_outcome::StepOutcome;

impl Executor<'_> {
    /// Writes the rows. One bad row does not keep the others from being written.
    pub(super) async fn write_rows(&mut self, batch: &[Step]) -> Vec<StepOutcome> {
        match self.write(batch).await {
            Ok(mut unwritten) => batch
                .iter()
                .map(|step| match unwritten.remove(step.customer_ref().as_str()) {
                    None => StepOutcome::done("tenant row written".to_owned(), None),
                    Some(reason) => StepOutcome::unwritten(reason, None),
                })
                .collect(),
            Err(error) => batch.iter().map(|_| StepOutcome::failed(&error)).collect(),
        }
    }

    async fn write(&mut self, batch: &[Step]) -> Result<Unwritten, Error> {
        let customer_refs: Vec<_> = batch.iter().map(Step::customer_ref).collect();
        match batch[0] {
            Step::Unlink { .. } => return self.store.unlink_bridges(&customer_refs).await,
            Step::SetStatus { .. } => return self.store.write_statuses(&customer_refs).await,
            _ => {}
        }
        let bridges: Vec<_> =
            batch.iter().filter_map(|step| Some((step.customer_ref(), step.bridge_id()?))).collect();
        self.store.link_bridges(&bridges).await
    }
}
