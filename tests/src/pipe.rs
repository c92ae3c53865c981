//! The DevTools protocol over the pipes of a Chromium: sends commands, waits for their answers, and keeps the events.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A command that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connection.
pub struct Pipe {
    commands: Mutex<ChildStdin>,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inbox {
    /// The id of the last command.
    last: u64,
    answers: BTreeMap<u64, Value>,
    events: Vec<Value>,
    has_ended: bool,
}

impl Pipe {
    /// Reads in a thread of its own, until Chromium ends.
    pub fn new(commands: ChildStdin, answers: ChildStdout) -> Arc<Self> {
        let pipe = Arc::new(Self {
            commands: Mutex::new(commands),
            inbox: Mutex::default(),
            arrived: Condvar::new(),
        });
        let reader = pipe.clone();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                reader.store(serde_json::from_slice(&message).unwrap_or_default());
            }
            lock(&reader.inbox).has_ended = true;
            reader.arrived.notify_all();
        });
        pipe
    }

    fn store(&self, message: Value) {
        let mut inbox = lock(&self.inbox);
        match message["id"].as_u64() {
            Some(id) => drop(inbox.answers.insert(id, message)),
            None => inbox.events.push(message),
        }
        self.arrived.notify_all();
    }

    /// Sends a command to the session of a tab, or to the browser if `session` is empty, and returns its result.
    pub fn call(&self, session: &str, method: &str, params: Value) -> Result<Value> {
        let id = {
            let mut inbox = lock(&self.inbox);
            inbox.last += 1;
            inbox.last
        };
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            command["sessionId"] = json!(session);
        }
        let mut line = command.to_string().into_bytes();
        line.push(0);
        lock(&self.commands).write_all(&line)?;
        let answer = self.wait(method, |inbox| inbox.answers.remove(&id))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].clone())
    }

    /// The events of this session so far, in order.
    pub fn events(&self, session: &str) -> Vec<Value> {
        lock(&self.inbox).events.iter().filter(|event| event["sessionId"] == session).cloned().collect()
    }

    /// Removes the events of this session, so that older ones are not taken for new ones.
    pub fn forget(&self, session: &str) {
        lock(&self.inbox).events.retain(|event| event["sessionId"] != session);
    }

    /// Waits for an event of this session.
    pub fn event(&self, session: &str, method: &str) -> Result<()> {
        let is_it = |event: &Value| event["sessionId"] == session && event["method"] == method;
        self.wait(method, |inbox| inbox.events.iter().any(is_it).then_some(()))
    }

    fn wait<T>(&self, what: &str, mut ask: impl FnMut(&mut Inbox) -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        let mut inbox = lock(&self.inbox);
        loop {
            if let Some(found) = ask(&mut inbox) {
                return Ok(found);
            }
            if inbox.has_ended {
                bail!("Chromium ended during {what}");
            }
            let left = end.checked_duration_since(Instant::now());
            let left = left.with_context(|| format!("no {what} within {PATIENCE:?}"))?;
            inbox = self.arrived.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
