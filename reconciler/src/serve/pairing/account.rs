//! Asks the provider for the code to scan and whether the phone is paired, and records that it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use wabridges::qr::{self, Outline};
use wabridges::{Class, Client, CustomerRef, Error as ProviderError};

use crate::config::{Database, Who};
use crate::db::opened_link::OpenedLink;
use crate::db::stores::{Stores, in_time};
use crate::model::{Error, chain};
use crate::render::stderr::emit_safely;
use crate::serve::pairing::looks::{Look, Seen, Want};
use crate::serve::pairing::places::EVERY;

/// So many results are recorded at the same time.
const RECORDS: usize = 2;
/// The least time between two lines about failures on stderr.
const QUIET: Duration = Duration::from_secs(60);

/// The account at the provider, and the database that learns what happens there.
pub struct Account {
    pub client: Client,
    pub records: Stores,
    /// Who requests codes, in the records.
    pub who: String,
    complained: Mutex<Option<Instant>>,
}

impl Account {
    /// Connects at the first use, not now.
    pub fn new(database: &Database, client: Client) -> Self {
        let records = Stores::new(database.clone(), RECORDS);
        Self { client, records, who: Who::now().who, complained: Mutex::default() }
    }

    /// How long until the provider's limit allows a call.
    pub fn wait_for_call(&self) -> Duration {
        self.client.reader().duration_for(Class::Proxy, 1)
    }

    /// What the provider says, and when to ask again.
    pub async fn look(self: Arc<Self>, link: OpenedLink, want: Want) -> Seen {
        let asked = match want {
            Want::Code => code(&self.client, &link.customer_ref).await,
            Want::Status => Ok(Told::Refused),
        };
        let asked = match asked {
            Ok(Told::Code(outline)) => Ok(Look::Code(Arc::new(outline))),
            Ok(Told::Refused) => self.session(&link).await,
            Err(error) => Err(error),
        };
        let (look, wait) = match asked {
            // The provider has no code although the session is not paired.
            Ok(Look::Unpaired) if want == Want::Code => (Look::Failed, EVERY),
            Ok(look) => (look, EVERY),
            Err(Error::Provider { source: ProviderError::RateLimited { retry_after }, .. }) => {
                (Look::Failed, retry_after)
            }
            Err(error) => {
                self.complain(&error);
                (Look::Failed, EVERY)
            }
        };
        Seen { look, next: Instant::now() + wait }
    }

    /// Asks whether the session is paired, and records it if it is.
    pub async fn session(&self, link: &OpenedLink) -> Result<Look, Error> {
        let doing = "the session did not answer";
        let asked = Instant::now();
        let session =
            self.client.reader().session(&link.customer_ref).await.map_err(Error::provider(doing))?;
        if !session.is_paired() {
            return Ok(Look::Unpaired);
        }
        self.record_paired(link, &session.raw_status, asked).await?;
        Ok(Look::Paired)
    }

    /// The session is paired: records it, which ends the link.
    async fn record_paired(&self, link: &OpenedLink, raw_status: &str, asked: Instant) -> Result<(), Error> {
        const DOING: &str = "cannot record that a session is paired";
        let recorded = in_time(DOING, async {
            let mut store = self.records.lend().await?;
            store.record_session(&link.customer_ref, raw_status, asked).await?;
            // The status of a duplicate is not recorded.
            if !store.was_paired(link.link_id).await? {
                store.end_links(&link.customer_ref, &self.who).await?;
            }
            store.hand_back();
            Ok(())
        });
        match recorded.await {
            // A role that may not write statuses ends the links itself.
            Err(Error::Database { source, .. }) if source.has_code(&["42501"]) => {
                in_time(DOING, async {
                    let mut store = self.records.lend().await?;
                    store.end_links(&link.customer_ref, &self.who).await?;
                    store.hand_back();
                    Ok(())
                })
                .await?;
            }
            recorded => recorded?,
        }
        Ok(())
    }

    /// Writes why something failed to stderr, at most once a minute. The error has no token.
    pub fn complain(&self, error: &Error) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= QUIET) {
            *complained = Some(Instant::now());
            emit_safely(&format!("pairing page: {}", chain(error)));
        }
    }
}

enum Told {
    Code(Outline),
    /// The session may be paired.
    Refused,
}

async fn code(client: &Client, customer_ref: &CustomerRef) -> Result<Told, Error> {
    let image = match client.reader().qr(customer_ref).await {
        Ok(image) => image,
        Err(ProviderError::Refused { .. }) => return Ok(Told::Refused),
        Err(error) => return Err(Error::provider("the provider sent no QR code")(error)),
    };
    let drawn = spawn_blocking(move || qr::read(&image).and_then(|content| qr::outline(&content))).await;
    match drawn {
        Ok(Ok(outline)) => Ok(Told::Code(outline)),
        Ok(Err(why)) => {
            Err(Error::config(format!("cannot read the provider's QR code: {why}"), "look at it: wab qr"))
        }
        Err(_) => Err(Error::config("cannot read the provider's QR code", "look at it: wab qr")),
    }
}
