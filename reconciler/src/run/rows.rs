//! Steps that write tenant rows: one statement for all of them, which reports the rows that were not written.

use crate::db::store::{Store, Unwritten};
use crate::model::{Error, Step};
use crate::run::step_outcome::StepOutcome;

/// Writes the rows. One bad row does not keep the others from being written.
pub async fn write(batch: &[Step], store: &mut Store) -> Result<Vec<StepOutcome>, Error> {
    let mut unwritten = unwritten(batch, store).await?;
    let outcome = |step: &Step| match unwritten.remove(step.customer_ref().as_str()) {
        None => StepOutcome::done("tenant row written".to_owned(), None),
        Some(reason) => StepOutcome::unwritten(reason, None),
    };
    Ok(batch.iter().map(outcome).collect())
}

async fn unwritten(batch: &[Step], store: &mut Store) -> Result<Unwritten, Error> {
    let customer_refs: Vec<_> = batch.iter().map(Step::customer_ref).collect();
    match batch[0] {
        Step::Unlink { .. } => return store.unlink_bridges(&customer_refs).await,
        Step::SetStatus { .. } => return store.write_statuses(&customer_refs).await,
        _ => {}
    }
    let bridges: Vec<_> =
        batch.iter().filter_map(|step| Some((step.customer_ref(), step.bridge_id()?))).collect();
    store.link_bridges(&bridges).await
}
