//! Records webhook events: one writer takes what has arrived, commits it, and answers each. While it commits, the next ones gather.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout, timeout_at};

use crate::db::ingest::Ingest;
use crate::model::{Error, Event, chain};
use crate::run::wants_messages::WantsMessages;

/// So many events wait at most; more are refused at once, and the next poll or listing repairs it.
const WAITING: usize = 1_000;
/// So many events are committed together at most.
const TOGETHER: usize = 500;
/// The writer waits so long for as many events as it committed last: the senders that it answered send their next ones now, and a
/// commit of the first of them alone would take the others as long as one of all.
const GATHERING: Duration = Duration::from_millis(2);
/// A commit that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why an event was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRecorded {
    /// Too many wait.
    Busy,
    /// The database failed. The event may be recorded all the same.
    Failed,
}

/// The way to the writer. It ends when the last one is dropped.
#[derive(Clone)]
pub struct Receiver {
    events: mpsc::Sender<Waiting>,
}

struct Waiting {
    /// `None`: only whether the database would record one.
    event: Option<Event>,
    answer: oneshot::Sender<Result<String, NotRecorded>>,
}

impl Receiver {
    /// Starts the writer. It says once why events are no longer recorded, and when they are again.
    pub fn start(ingest: Ingest, say: fn(&str)) -> Self {
        let (events, waiting) = mpsc::channel(WAITING);
        tokio::spawn(
            Writer { ingest, waiting, wants_messages: WantsMessages::default(), say, fails: false }.run(),
        );
        let receiver = Self { events };
        // A role that may not record events is told of now, and not at the first event, which is sent once only.
        let probe = receiver.clone();
        tokio::spawn(async move { probe.probe().await });
        receiver
    }

    /// Returns the outcome once it is committed: that of wab_ingest_event(), or `invalid`.
    ///
    /// # Errors
    /// [`NotRecorded`].
    pub async fn record(&self, event: Event) -> Result<String, NotRecorded> {
        self.send(Some(event)).await
    }

    /// Whether an event would be recorded now.
    ///
    /// # Errors
    /// [`NotRecorded`].
    pub async fn probe(&self) -> Result<(), NotRecorded> {
        self.send(None).await.map(drop)
    }

    async fn send(&self, event: Option<Event>) -> Result<String, NotRecorded> {
        let (answer, outcome) = oneshot::channel();
        self.events.try_send(Waiting { event, answer }).map_err(|_| NotRecorded::Busy)?;
        outcome.await.unwrap_or(Err(NotRecorded::Failed))
    }
}

/// Why a transaction failed.
struct Failure {
    /// The next transaction would fail too.
    is_lost: bool,
    why: String,
}

struct Writer {
    ingest: Ingest,
    waiting: mpsc::Receiver<Waiting>,
    wants_messages: WantsMessages,
    say: fn(&str),
    fails: bool,
}

impl Writer {
    async fn run(mut self) {
        let mut last = 0;
        loop {
            let batch = self.gather(last).await;
            last = batch.len();
            if batch.is_empty() {
                return;
            }
            self.commit(batch).await;
        }
    }

    /// The next events; none if no more will come.
    async fn gather(&mut self, last: usize) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(last);
        let mut is_open = self.waiting.recv_many(&mut batch, TOGETHER).await > 0;
        let end = Instant::now() + GATHERING;
        while is_open && batch.len() < last {
            let room = TOGETHER - batch.len();
            match timeout_at(end.into(), self.waiting.recv_many(&mut batch, room)).await {
                Ok(received) => is_open = received > 0,
                Err(_) => break,
            }
        }
        batch
    }

    async fn commit(&mut self, batch: Vec<Waiting>) {
        let mut wants_messages = None;
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        for Waiting { event, answer } in batch {
            match event {
                Some(event) => {
                    if is_message(&event) && wants_messages.is_none() {
                        wants_messages = Some(self.wants_messages().await);
                    }
                    if is_message(&event) && wants_messages == Some(false) {
                        // The provider may have closed the connection.
                        let _ = answer.send(Ok("ignored".to_owned()));
                    } else {
                        events.push(event);
                        answers.push(answer);
                    }
                }
                None => {
                    let outcome = self.record(&[]).await.map(|_| String::new());
                    let outcome = outcome.or_else(|Failure { why, .. }| self.failed(&why));
                    let _ = answer.send(outcome);
                }
            }
        }
        if events.is_empty() {
            return;
        }
        let outcomes = self.record_all(&events).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome);
        }
    }

    /// If PostgreSQL refuses them together, one of them is to blame: then each has its own transaction.
    async fn record_all(&mut self, events: &[Event]) -> Vec<Result<String, NotRecorded>> {
        let why = match self.record(events).await {
            Ok(outcomes) => return self.succeeded(outcomes),
            Err(Failure { is_lost, .. }) if !is_lost && events.len() > 1 => {
                let mut outcomes = Vec::with_capacity(events.len());
                for event in events {
                    outcomes.push(match self.record(std::slice::from_ref(event)).await {
                        Ok(one) => self.succeeded(one).pop().unwrap_or(Err(NotRecorded::Failed)),
                        Err(Failure { why, .. }) => self.failed(&why),
                    });
                }
                return outcomes;
            }
            Err(Failure { why, .. }) => why,
        };
        vec![self.failed(&why); events.len()]
    }

    async fn record(&mut self, events: &[Event]) -> Result<Vec<String>, Failure> {
        let lost = |why: String| Failure { is_lost: true, why };
        match timeout(DEADLINE, self.ingest.record(events)).await {
            Ok(Ok(outcomes)) if outcomes.len() == events.len() => Ok(outcomes),
            Ok(Ok(outcomes)) => Err(lost(format!("{} outcomes of {} events", outcomes.len(), events.len()))),
            Ok(Err(error)) => {
                let is_lost = !matches!(&error, Error::Database { source, .. } if !source.is_lost);
                Err(Failure { is_lost, why: chain(&error) })
            }
            Err(_) => Err(lost(format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }

    fn succeeded(&mut self, outcomes: Vec<String>) -> Vec<Result<String, NotRecorded>> {
        if std::mem::take(&mut self.fails) {
            (self.say)("events are recorded again");
        }
        outcomes.into_iter().map(Ok).collect()
    }

    fn failed(&mut self, why: &str) -> Result<String, NotRecorded> {
        if !std::mem::replace(&mut self.fails, true) {
            (self.say)(&format!("error: events are not recorded, and answered with 503: {why}"));
        }
        Err(NotRecorded::Failed)
    }

    /// Whether `message` events are to be recorded, as PostgreSQL says at least once a minute. If it does not say, no event may
    /// be lost by that: the attempt to record it succeeds, or tells why not.
    async fn wants_messages(&mut self) -> bool {
        if self.wants_messages.is_due(Instant::now()) {
            let answer = timeout(DEADLINE, self.ingest.wants_messages()).await;
            self.wants_messages.learn(Instant::now(), answer.ok().and_then(Result::ok));
        }
        self.wants_messages.last()
    }
}

/// Whether the event says that a message came. A text that is no JSON is for PostgreSQL to refuse.
fn is_message(event: &Event) -> bool {
    #[derive(serde::Deserialize)]
    struct Named {
        event: String,
    }
    serde_json::from_str::<Named>(&event.body).is_ok_and(|named| named.event.eq_ignore_ascii_case("message"))
}
