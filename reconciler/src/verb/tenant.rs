//! The tenant that `pair`, `qr` and `logout` are about, and what a failed call means for it; no call is made for a result.

use clap::Args;
use wabridges::{CustomerRef, InvalidCustomerRef, ReadClient};

use crate::model::Error;

/// The tenant.
#[derive(Debug, Args)]
pub struct TenantArg {
    /// The tenant's id, which is the customer_ref of its bridge
    #[arg(value_name = "TENANT", value_parser = customer_ref)]
    pub tenant: CustomerRef,
}

fn customer_ref(text: &str) -> Result<CustomerRef, InvalidCustomerRef> {
    CustomerRef::new(text)
}

impl TenantArg {
    /// Why a call about the tenant's bridge failed. A refusal may mean that it is paired, so the session is asked.
    pub async fn failed(&self, client: &ReadClient, doing: &'static str, error: wabridges::Error) -> Error {
        let tenant = &self.tenant;
        match error {
            wabridges::Error::NotFound { .. } => Error::config(
                format!("the provider has no bridge whose customer_ref is {:?}", tenant.as_str()),
                "is it spelt as in the tenants table? wab plan shows who has no bridge, wab apply provisions it",
            ),
            wabridges::Error::BadAnswer { status: 400..500, .. } if self.is_paired(client).await => {
                Error::config(
                    format!("{:?} is paired already: there is no code for it", tenant.as_str()),
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
