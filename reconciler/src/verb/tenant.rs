//! The TENANT argument of `pair`, `qr` and `logout`, and the error for a failed call.

use clap::Args;
use wabridges::{CustomerRef, InvalidCustomerRef, ReadClient};

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
    /// The error for a failed call about the tenant's bridge. A 4xx answer may mean that the bridge is
    /// paired, so the session is asked.
    pub async fn failed(&self, client: &ReadClient, doing: &'static str, error: wabridges::Error) -> Error {
        let tenant = &self.tenant;
        match error {
            wabridges::Error::NotFound { .. } => Error::config(
                format!("the provider has no bridge with the customer_ref {:?}", tenant.as_str()),
                "check the spelling in the tenants table; wab plan shows tenants without a bridge, wab apply provisions them",
            ),
            wabridges::Error::BadAnswer { status: 400..500, .. } if self.is_paired(client).await => {
                Error::config(
                    format!("{:?} is paired already: the provider has no code for it", tenant.as_str()),
                    "to pair another phone, first: wab logout",
                )
            }
            error => Error::provider(doing)(error),
        }
    }

    async fn is_paired(&self, client: &ReadClient) -> bool {
        client.session(&self.tenant).await.is_ok_and(|session| session.raw_status == "connected")
    }
}
