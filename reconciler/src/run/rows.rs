//! Steps that write tenant rows: one statement for all, split in halves while the database refuses it.

use crate::model::{Error, Step};
use crate::run::executor::Executor;
use crate::run::step_outcome::StepOutcome;

impl Executor<'_> {
    /// Writes the rows. One bad row does not keep the others from being written.
    pub(super) async fn write_rows(&mut self, batch: &[Step]) -> Vec<StepOutcome> {
        let mut parts = vec![batch];
        let mut outcomes: Vec<StepOutcome> = Vec::with_capacity(batch.len());
        while let Some(part) = parts.pop() {
            match self.write(part).await {
                Ok(_) => outcomes
                    .extend(part.iter().map(|_| StepOutcome::done("tenant row written".to_owned(), None))),
                Err(error) if part.len() > 1 && error.is_about_rows() => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right, left]);
                }
                Err(error) => outcomes.extend(part.iter().map(|_| StepOutcome::failed(&error))),
            }
            if self.stop.is_requested() || outcomes.last().is_some_and(|last| last.end.is_some()) {
                break;
            }
        }
        outcomes
    }

    /// Returns the number of changed rows.
    async fn write(&mut self, part: &[Step]) -> Result<i32, Error> {
        if let Step::SetStatus { .. } = part[0] {
            let customer_refs: Vec<_> = part.iter().map(Step::customer_ref).collect();
            return self.store.write_statuses(&customer_refs).await;
        }
        let bridges: Vec<_> =
            part.iter().filter_map(|step| Some((step.customer_ref(), step.bridge_id()?))).collect();
        self.store.link_bridges(&bridges).await
    }
}
