//! The provider's clients, set up as fleet.yaml says.

use wabridges::{ApiKey, Client, ReadClient};

use crate::config::Fleet;
use crate::model::Error;

const DOING: &str = "cannot set the provider's client up";

/// The client of verbs that only look.
pub fn reader(fleet: &Fleet, key: ApiKey) -> Result<ReadClient, Error> {
    ReadClient::new(fleet.client_config(), key).map_err(Error::provider(DOING))
}

/// The client of verbs that write, too.
pub fn client(fleet: &Fleet, key: ApiKey) -> Result<Client, Error> {
    Client::new(fleet.client_config(), key).map_err(Error::provider(DOING))
}
