//! Makes the provider's clients, and that of the receiver of alerts, with the settings of fleet.yaml.

use std::time::Duration;

use wabridges::{AlertUrl, ApiKey, Client, ReadClient, Receiver};

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

/// The client for people who wait in front of a page: it gives up after `deadline`, and at once after a 429.
pub fn client_of_page(fleet: &Fleet, key: ApiKey, deadline: Duration) -> Result<Client, Error> {
    let mut config = fleet.client_config();
    config.request_timeout = config.request_timeout.min(deadline);
    config.connect_timeout = config.connect_timeout.min(deadline);
    config.rate_limit_patience = Duration::ZERO;
    Client::new(config, key).map_err(Error::provider(DOING))
}

/// The receiver of alerts.
pub fn receiver(fleet: &Fleet, url: AlertUrl) -> Result<Receiver, Error> {
    Receiver::new(url, &fleet.client_config())
        .map_err(Error::provider("cannot set up the client of the alerts"))
}
