//! The pairing page of `wab serve`: a second listener, for customers.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::config::Fleet;
use crate::model::Error;
use crate::provider::client::client_of_page;
use crate::serve::pairing::{Desk, Door, PageHosts, Texts, pairing};

/// A call to the provider gives up after this time, because a customer waits.
const DEADLINE: Duration = Duration::from_secs(10);

/// Flags of the pairing page.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pairing page")]
pub struct PairingPageArgs {
    /// Serve the page that opens pairing links here, and nothing else: it is for your customers. It needs the API key. Without
    /// --token-file and --no-auth there are no other pages
    #[arg(long, value_name = "ADDRESS:PORT", requires = "product")]
    pub pairing_listen: Option<SocketAddr>,
    /// The name of your product, which the page shows
    #[arg(long, value_name = "NAME", requires = "pairing_listen", value_parser = NonEmptyStringValueParser::new())]
    product: Option<String>,
    /// The texts of the page in place of the English ones: a YAML file with the same keys
    #[arg(long, value_name = "FILE", requires = "pairing_listen")]
    pairing_texts: Option<PathBuf>,
    /// Customers come through a proxy at this address: count them by the last address in X-Forwarded-For; may be repeated
    #[arg(long, value_name = "IP", requires = "pairing_listen")]
    pairing_proxy: Vec<IpAddr>,
}

impl PairingPageArgs {
    /// The page, for a listener at this address.
    pub fn page(&self, fleet: &Fleet, address: SocketAddr) -> Result<Router, Error> {
        let product = self.product.as_deref().unwrap_or_default();
        let texts = match &self.pairing_texts {
            Some(file) => Texts::read(file, product)?,
            None => Texts::english(product)?,
        };
        let client = client_of_page(fleet, fleet.api_key()?, DEADLINE)?;
        let desk = Desk::new(&fleet.database, client, fleet.limits());
        let proxies = self.pairing_proxy.iter().map(IpAddr::to_canonical).collect();
        Ok(pairing(Door { desk: Arc::new(desk), hosts: PageHosts::new(address), proxies, texts }))
    }
}
