//! Makes the provider's clients with the settings of fleet.yaml.

use wabridges::{ApiKey, Client, ReadClient};

use crate::config::Fleet;
use crate::model::Error;

const DOING: &str = "cannot set up the provider's client";

/// The client for verbs that only read.
pub fn reader(fleet: &Fleet, key: ApiKey) -> Result<ReadClient, Error> {
    ReadClient::new(fleet.client_config(), key).map_err(Error::provider(DOING))
}

/// The client for verbs that also write.
pub fn client(fleet: &Fleet, key: ApiKey) -> Result<Client, Error> {
    Client::new(fleet.client_config(), key).map_err(Error::provider(DOING))
}
