//! What a step did at the provider, and its record in the database. The call is made once. The record may be repeated: it
//! writes what is missing.

use std::time::Instant;

use wabridges::{BridgeId, Session};

use crate::db::store::{NewBridge, Store};
use crate::model::{Error, Step};
use crate::run::rows;
use crate::run::step_outcome::StepOutcome;

/// What has to be recorded.
#[derive(Debug)]
pub enum Deed {
    /// The provider was not called: the steps write tenant rows.
    Rows,
    /// The provider has this bridge.
    Made(MadeBridge),
    /// The provider no longer has this bridge.
    Deleted {
        /// The bridge.
        bridge_id: BridgeId,
        /// How it went, for people.
        detail: String,
    },
}

/// A bridge that the provider made or returned.
#[derive(Debug)]
pub struct MadeBridge {
    /// Its id.
    pub bridge_id: BridgeId,
    /// The state of the container, in the provider's word.
    pub state: Option<String>,
    /// When the session was asked, and its answer, if it answered.
    pub session: Option<(Instant, Session)>,
    /// How it went, for people.
    pub how: &'static str,
}

impl Deed {
    /// Records it; returns the outcome of each step of the batch.
    pub async fn record(&self, batch: &[Step], store: &mut Store) -> Result<Vec<StepOutcome>, Error> {
        let outcome = match self {
            Self::Rows => return rows::write(batch, store).await,
            Self::Made(made) => made.record(&batch[0], store).await?,
            Self::Deleted { bridge_id, detail } => {
                let customer_ref = batch[0].customer_ref();
                match store.record_delete(*bridge_id, customer_ref).await? {
                    None => StepOutcome::done(detail.clone(), Some(*bridge_id)),
                    Some(reason) => StepOutcome::unwritten(
                        format!("{detail}, but the tenant row still holds it: {reason}"),
                        Some(*bridge_id),
                    ),
                }
            }
        };
        Ok(vec![outcome])
    }

    /// The outcomes of a batch that could not be recorded.
    pub fn unrecorded(&self, batch: &[Step], error: &Error) -> Vec<StepOutcome> {
        match self {
            Self::Rows => batch.iter().map(|_| StepOutcome::failed(error)).collect(),
            Self::Made(made) => vec![StepOutcome::unrecorded("provisioned", made.bridge_id, error)],
            Self::Deleted { bridge_id, .. } => {
                vec![StepOutcome::unrecorded("deleted", *bridge_id, error)]
            }
        }
    }
}

impl MadeBridge {
    async fn record(&self, step: &Step, store: &mut Store) -> Result<StepOutcome, Error> {
        let Self { bridge_id, how, .. } = self;
        let new = NewBridge {
            customer_ref: step.customer_ref(),
            bridge_id: *bridge_id,
            state: self.state.as_deref(),
            session: self.session.as_ref().map(|(asked, session)| (*asked, session)),
            webhook_url: step.webhook_url(),
        };
        Ok(match store.record_provision(&new).await? {
            None => StepOutcome::done(format!("{how} as bridge {bridge_id}"), Some(*bridge_id)),
            Some(reason) => StepOutcome::unwritten(
                format!("{how} as bridge {bridge_id} and recorded in wab_bridges, but: {reason}"),
                Some(*bridge_id),
            ),
        })
    }
}
