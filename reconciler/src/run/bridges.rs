//! Steps that call the provider: check the preconditions again, and make the call.

use std::time::Instant;

use wabridges::{
    BridgeId, Class, CustomerRef, Listing, Made, NoWebhookKeys, Provisioned, Session, WebhookUrl, resolve,
};

use crate::model::Error;
use crate::run::deed::{Deed, MadeBridge};
use crate::run::executor::Executor;
use crate::run::observe::PATIENCE;

/// The provider's answer to a call that may have been repeated after a 429.
type Answer<T> = Result<T, wabridges::Error>;

impl Executor<'_> {
    pub(super) async fn provision(
        &mut self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<Deed, Error> {
        let (bridge_id, state, how) = self.make(customer_ref, webhook_url).await?;
        let session = self.session(customer_ref).await;
        Ok(Deed::Made(MadeBridge { bridge_id, state, session, how }))
    }

    async fn make(
        &mut self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<(BridgeId, Option<String>, &'static str), Error> {
        let answer = self.post(customer_ref, webhook_url).await?;
        let find = |listing: Listing| {
            listing.bridges.into_iter().find(|bridge| bridge.customer_ref.as_ref() == Some(customer_ref))
        };
        match resolve(answer, self.list(), find).await {
            Ok(Made::Answered(made)) => Ok((made.id, made.state, "provisioned")),
            Ok(Made::Listed(bridge)) => {
                let how = "provisioned; the answer was lost, but the provider lists the bridge";
                Ok((bridge.id, bridge.state.map(Into::into), how))
            }
            Err(error) if error.is_ambiguous() => {
                Err(Error::provider("it is not known whether the provider created the bridge")(error))
            }
            Err(error) => Err(Error::provider("the provider did not create the bridge")(error)),
        }
    }

    /// Checks the database right before each attempt, because the plan may be an hour old.
    async fn post(
        &mut self,
        customer_ref: &CustomerRef,
        webhook_url: Option<&str>,
    ) -> Result<Answer<Provisioned>, Error> {
        let mut patience = PATIENCE;
        // What is recorded keeps {secret}.
        let signed = webhook_url.map(|url| WebhookUrl::new(url, customer_ref.as_str(), self.webhook_keys));
        let signed = signed.transpose().map_err(no_webhook_keys)?;
        loop {
            self.recorder.require_bridgeable(customer_ref).await?;
            let answer = self.client.provision_signed(customer_ref, signed.as_ref()).await;
            if !self.again(&answer, Class::Provision, &mut patience).await {
                return Ok(answer);
            }
        }
    }

    /// Reads the status of the new session, and returns it with the time at which it was asked. A failure is ignored: the next
    /// refresh reads the status again.
    async fn session(&self, customer_ref: &CustomerRef) -> Option<(Instant, Session)> {
        self.wait(Class::Proxy).await;
        if self.stop.is_requested() {
            return None;
        }
        let asked = Instant::now();
        Some((asked, self.client.reader().session(customer_ref).await.ok()?))
    }

    async fn list(&self) -> Answer<Listing> {
        let mut patience = PATIENCE;
        loop {
            let answer = self.client.reader().list().await;
            if !self.again(&answer, Class::Other, &mut patience).await {
                return answer;
            }
        }
    }

    pub(super) async fn delete(
        &mut self,
        bridge_id: BridgeId,
        customer_ref: &CustomerRef,
    ) -> Result<Deed, Error> {
        let detail = self.remove(bridge_id, customer_ref).await?;
        Ok(Deed::Deleted { bridge_id, detail })
    }

    async fn remove(&mut self, id: BridgeId, customer_ref: &CustomerRef) -> Result<String, Error> {
        self.recorder.require_unneeded(id).await?;
        match self.carried_by(id).await {
            Err(wabridges::Error::NotFound { .. }) if self.is_gone(id).await => {
                return Ok(format!("bridge {id} was gone already"));
            }
            Err(error) => {
                return Err(Error::provider("the bridge was not deleted: it could not be read first")(error));
            }
            Ok(carried) if carried.as_ref() != Some(customer_ref) => {
                return Err(Error::config(
                    format!("bridge {id} was not deleted: it no longer carries customer_ref {customer_ref}"),
                    "look at the current plan: wab plan",
                ));
            }
            Ok(_) => {}
        }
        match self.send_delete(id).await? {
            Ok(()) => Ok(format!("bridge {id} deleted")),
            Err(wabridges::Error::NotFound { .. }) if self.is_gone(id).await => {
                Ok(format!("bridge {id} was gone already"))
            }
            Err(error) if error.is_ambiguous() && self.is_gone(id).await => Ok(format!(
                "bridge {id} deleted; the answer was lost, but the provider no longer has the bridge"
            )),
            Err(error) => Err(Error::provider("the provider did not confirm the deletion")(error)),
        }
    }

    /// Checks the database right before each attempt, because the call may have waited for the provider's
    /// limits.
    async fn send_delete(&mut self, id: BridgeId) -> Result<Answer<()>, Error> {
        let mut patience = PATIENCE;
        loop {
            self.wait(Class::Other).await;
            if self.stop.is_requested() {
                return Err(Error::config(
                    format!("bridge {id} was not deleted: the run was asked to stop"),
                    "run wab apply again",
                ));
            }
            self.recorder.require_unneeded(id).await?;
            let answer = self.client.delete(id).await;
            if !self.again(&answer, Class::Other, &mut patience).await {
                return Ok(answer);
            }
        }
    }

    /// The customer_ref that the live bridge carries.
    async fn carried_by(&self, id: BridgeId) -> Answer<Option<CustomerRef>> {
        let mut patience = PATIENCE;
        loop {
            let answer = self.client.reader().get(id).await;
            if !self.again(&answer, Class::Other, &mut patience).await {
                return answer.map(|live| live.bridge.customer_ref);
            }
        }
    }

    /// Whether a complete list lacks the bridge.
    async fn is_gone(&self, id: BridgeId) -> bool {
        self.list().await.is_ok_and(|listing| listing.lacks(id))
    }
}

fn no_webhook_keys(error: NoWebhookKeys) -> Error {
    Error::config(error.to_string(), "name the file with the keys in fleet.yaml: bridges.webhook_secret_file")
}
