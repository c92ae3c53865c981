//! Sends the incidents that began and ended since the last document.

use wabridges::Receiver;

use crate::db::store::Store;
use crate::model::{Error, Sent};

/// Posts what is due, and records the result. A receiver that is down is an outcome, not an error.
pub async fn alert(store: &mut Store, receiver: &Receiver) -> Result<Sent, Error> {
    store.require_primary().await?;
    let mut alerts = store.alerts().await?;
    match alerts.readiness().await?.as_str() {
        "ready" => {}
        "busy" => return Ok(Sent::without_document("busy")),
        _ => return Ok(Sent::without_document("waiting")),
    }
    let due = alerts.due().await?;
    let (began, ended) = (due.began.len(), due.ended.len());
    if began + ended == 0 {
        alerts.sent(&due).await?;
        return Ok(Sent::without_document("nothing"));
    }
    match receiver.post(due.document.clone()).await {
        Ok(()) => {
            alerts.sent(&due).await?;
            Ok(Sent { began, ended, ..Sent::without_document("sent") })
        }
        Err(failure) => {
            let error = failure.told();
            let next_attempt_at = alerts.failed(&error).await?;
            Ok(Sent { outcome: "failed", began, ended, next_attempt_at, error: Some(error) })
        }
    }
}
