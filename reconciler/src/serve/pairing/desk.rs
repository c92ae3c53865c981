//! Answers the pages: who may ask, whose turn it is, and what the provider says about the bridge.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde::Deserialize;
use uuid::Uuid;
use wabridges::{Client, Limits};

use crate::config::Database;
use crate::db::opened_link::OpenedLink;
use crate::db::stores::{Stores, in_time};
use crate::model::Error;
use crate::serve::pairing::account::Account;
use crate::serve::pairing::answer::{Answer, State, seconds};
use crate::serve::pairing::doorman::Doorman;
use crate::serve::pairing::looks::{Look, Looks, Seen, Want};
use crate::serve::pairing::places::Places;

/// So many links are looked up at the same time.
const LOOK_UPS: usize = 2;
/// A page asks again after this time if the database did not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// Everything behind the page.
pub struct Desk {
    /// The provider, and the records.
    pub account: Arc<Account>,
    look_ups: Stores,
    limits: Limits,
    doorman: Mutex<Doorman>,
    places: Mutex<Places>,
    looks: Arc<Looks>,
    /// When the places were last in use.
    used: Mutex<Option<Instant>>,
}

/// Who asks. It is printed nowhere, because it has the token.
#[derive(Deserialize)]
pub struct Ask {
    pub token: String,
    pub visit: Option<Uuid>,
}

/// A page that may go on.
pub struct Admitted {
    pub link: OpenedLink,
    visit: Uuid,
}

impl Desk {
    /// The desk for an account with these limits.
    pub fn new(database: &Database, client: Client, limits: Limits) -> Self {
        Self {
            account: Arc::new(Account::new(database, client)),
            look_ups: Stores::new(database.clone(), LOOK_UPS),
            limits,
            doorman: Mutex::default(),
            places: Mutex::new(Places::new(limits.proxy)),
            looks: Arc::default(),
            used: Mutex::default(),
        }
    }

    /// The address of the page, as stored.
    pub async fn pairing_url(&self) -> Result<Option<String>, Error> {
        self.look_ups.pairing_url().await
    }

    /// What a page shows now.
    pub async fn state(self: &Arc<Self>, ask: &Ask, client: IpAddr, want: Want) -> Answer {
        let admitted = match self.admit(ask, client).await {
            Ok(admitted) => admitted,
            Err(state) => return state.into(),
        };
        let state = match self.turn(admitted.link.bridge_id).await {
            Ok(()) => self.look(&admitted.link, want).await,
            Err(wait) => State::Wait { wait_seconds: seconds(wait) },
        };
        admitted.answer(state)
    }

    /// Looks the link up; or the state of a page that may not go on.
    pub async fn admit(&self, ask: &Ask, client: IpAddr) -> Result<Admitted, State> {
        let token_sha256 = wabridges::sha256::of(&ask.token);
        let visit = ask.visit.and_then(|id| {
            let visit = lock(&self.doorman).visit(id, &token_sha256, Instant::now())?;
            Some((id, visit))
        });
        let counted = match &visit {
            Some((_, visit)) => lock(&self.doorman).count(visit.link_id, visit.bridge_id, Instant::now()),
            None => lock(&self.doorman).suspect(client, Instant::now()),
        };
        counted.map_err(busy)?;
        let opened = self.look_ups.opened_link(&token_sha256).await.map_err(|error| self.lost(&error))?;
        match (opened, visit) {
            (Some(link), Some((id, _))) => Ok(Admitted { link, visit: id }),
            (Some(link), None) => {
                let mut doorman = lock(&self.doorman);
                doorman.clear(client);
                let now = Instant::now();
                doorman.count(link.link_id, link.bridge_id, now).map_err(busy)?;
                let visit = doorman.begin_visit(token_sha256, link.link_id, link.bridge_id, now);
                Ok(Admitted { link, visit })
            }
            (None, Some((_, visit))) => {
                let is_paired = self.looks.is_paired(visit.bridge_id)
                    || self.look_ups.was_paired(visit.link_id).await.map_err(|error| self.lost(&error))?;
                Err(if is_paired { State::Paired } else { State::Dead })
            }
            (None, None) => Err(State::Dead),
        }
    }

    /// Waits in the line for the provider's limit.
    pub async fn turn(&self, bridge_id: i64) -> Result<(), Duration> {
        self.count_calls_of_others().await;
        lock(&self.places).take(bridge_id, Instant::now())
    }

    async fn look(self: &Arc<Self>, link: &OpenedLink, want: Want) -> State {
        let call = || match self.account.wait_for_call() {
            wait if wait.is_zero() => Ok(self.account.clone().look(link.clone(), want).boxed()),
            wait => Err(wait),
        };
        let Seen { look, next } = match self.looks.get(link.bridge_id, want, call).await {
            Ok(seen) => seen,
            Err(wait) => return State::Wait { wait_seconds: seconds(wait) },
        };
        let wait_seconds = seconds(next.saturating_duration_since(Instant::now()));
        match look {
            Look::Code(outline) if want == Want::Code => {
                State::Scan { qr: outline.as_ref().into(), wait_seconds }
            }
            Look::Code(_) | Look::Unpaired => State::Typing { wait_seconds },
            Look::Paired => {
                lock(&self.places).leave(link.bridge_id);
                State::Paired
            }
            Look::Failed => State::Failed { wait_seconds },
        }
    }

    /// Counts the calls of other processes against the limits, when the first page comes after a while without pages. Later
    /// ones are not known; then the provider may refuse a call, and the pages wait.
    async fn count_calls_of_others(&self) {
        let window = self.limits.longest_window();
        let was_used = lock(&self.used).replace(Instant::now());
        if was_used.is_some_and(|at| at.elapsed() < window) {
            return;
        }
        let read = in_time("cannot read the run log", async {
            let mut store = self.account.records.lend().await?;
            let calls = store.recent_calls(window).await?;
            store.hand_back();
            Ok(calls)
        });
        match read.await {
            Ok(calls) => {
                for call in calls {
                    if let Some(at) = Instant::now().checked_sub(call.ago) {
                        self.account.client.reader().preload(call.class, at);
                    }
                }
            }
            Err(error) => self.account.complain(&error),
        }
    }

    fn lost(&self, error: &Error) -> State {
        self.account.complain(error);
        State::Unavailable { wait_seconds: seconds(AGAIN) }
    }
}

impl Admitted {
    /// The answer for this page.
    pub fn answer(&self, state: State) -> Answer {
        if matches!(state, State::Paired) {
            return state.into();
        }
        Answer { state, visit: Some(self.visit), valid_until: Some(self.link.valid_until) }
    }
}

fn busy(wait: Duration) -> State {
    State::Busy { wait_seconds: seconds(wait) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
