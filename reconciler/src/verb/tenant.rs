//! The TENANT argument of `pair`, `qr`, `link` and `logout`, and the errors for a failed call.

use clap::Args;
use wabridges::{CustomerRef, InvalidCustomerRef, ReadClient, in_quotes};

use crate::model::Error;

/// The tenant.
#[derive(Debug, Args)]
pub struct TenantArg {
    /// The tenant's id, which is the bridge's customer_ref
    #[arg(value_name = "TENANT", value_parser = customer_ref)]
    pub tenant: CustomerRef,
}

fn customer_ref(text: &str) -> Result<CustomerRef, InvalidCustomerRef> {
    CustomerRef::new(text)
}

impl TenantArg {
    /// Refuses a tenant of which several live bridges carry the customer_ref: the call would reach any of them.
    pub async fn require_one_bridge(&self, client: &ReadClient) -> Result<(), Error> {
        let listing = client.list().await.map_err(Error::provider("nothing was done"))?;
        let same = listing.bridges.iter().filter(|bridge| bridge.customer_ref.as_ref() == Some(&self.tenant));
        let ids: Vec<String> = same.map(|bridge| bridge.id.to_string()).collect();
        if ids.len() < 2 {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!(
                "the bridges {} carry the customer_ref {}, and the call could reach any of them: nothing was done",
                ids.join(", "),
                in_quotes(self.tenant.as_str())
            ),
            hint: "remove the duplicates first, which wab drift shows".to_owned(),
        })
    }

    /// The error for a failed call about the tenant's bridge.
    pub fn failed(&self, doing: &'static str, error: wabridges::Error) -> Error {
        match error {
            wabridges::Error::NotFound { .. } => Error::config(
                format!(
                    "the provider has no bridge with the customer_ref {}",
                    in_quotes(self.tenant.as_str())
                ),
                "check the spelling in the tenants table; wab plan shows tenants without a bridge, wab apply provisions them",
            ),
            error => Error::provider(doing)(error),
        }
    }

    /// The error for a failed call for a code. The session of a refused call is asked: it may be paired already.
    pub async fn no_code(&self, client: &ReadClient, doing: &'static str, error: wabridges::Error) -> Error {
        if let wabridges::Error::Refused { .. } = error
            && client.session(&self.tenant).await.is_ok_and(|session| session.is_paired())
        {
            return Error::config(
                format!("{} is paired already: {error}", in_quotes(self.tenant.as_str())),
                "to pair another phone, first: wab logout",
            );
        }
        self.failed(doing, error)
    }
}
