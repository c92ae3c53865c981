//! Plays a life: lets it happen to the real things and to the model, runs the jobs, and compares the two at the end of each day.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::json;

use crate::simulation::checks;
use crate::simulation::dead_rows;
use crate::simulation::dice::Dice;
use crate::simulation::happen::Act;
use crate::simulation::life::{Event, Life, name};
use crate::simulation::mismatch::Mismatch;
use crate::simulation::model::{Bridge, Model, Row};
use crate::simulation::moment::{DAY, HOUR, MINUTE, Moment};
use crate::simulation::mutation::Mutation;
use crate::simulation::plan::compare_plan;
use crate::simulation::polling::CALLS;
use crate::simulation::stage::Stage;

/// The days from one VACUUM to the next, and for which a backend stays. It counts its calls by the real clock and may list 120
/// times a minute; four days are 96 lists.
const HOUSEKEEPING: i64 = 4;

/// How a play ended.
#[derive(Debug)]
pub struct Ending {
    /// The days that were played.
    pub days: i64,
    /// What differed on the last of them; nothing if all went well.
    pub mismatches: Vec<Mismatch>,
    /// What the database has recorded of the bridges and the tenants of the first of them.
    pub history: String,
}

/// Something to do at a time.
#[derive(Clone, Debug)]
enum Task {
    Happen(Event),
    Arrive { customer_ref: String, word: String, at: Moment },
    Reconcile,
    WorkQueue,
    Alerts,
    Summary,
    Prune,
    Plan,
    Apply,
    Check,
}

/// One play.
struct Play {
    stage: Stage,
    model: Model,
    /// What is to do, in the order of time; a number keeps the order of what happens at the same time.
    agenda: BTreeMap<(Moment, usize), Task>,
    added: usize,
    /// How many tasks were done today.
    done: usize,
}

/// Plays a life, with a fault in the product or without one, up to its end or the first day on which something differs. `tell`
/// hears of each day.
pub async fn play(life: &Life, mutation: Option<Mutation>, mut tell: impl FnMut(i64)) -> Result<Ending> {
    let begin = Moment::START - HOUR;
    let mut play = Play {
        stage: Stage::set(begin).await?,
        model: Model::default(),
        agenda: BTreeMap::new(),
        added: 0,
        done: 0,
    };
    play.adopt(life.tenants, begin).await?;
    if let Some(mutation) = mutation {
        mutation.apply(&mut play.stage).await?;
    }
    let mut left = life.happenings.iter().peekable();
    for day in 0..life.days {
        while let Some(next) = left.next_if(|next| next.at < Moment::day(day + 1)) {
            play.add(next.at, Task::Happen(next.event.clone()));
        }
        let mismatches = play.day(day).await.with_context(|| format!("on day {day}"))?;
        tell(day);
        if !mismatches.is_empty() {
            let objects: Vec<&str> = mismatches.iter().map(|one| one.object.as_str()).take(5).collect();
            let history = play.stage.history(&objects.join(" ")).await?;
            return Ok(Ending { days: day + 1, mismatches, history });
        }
    }
    Ok(Ending { days: life.days, mismatches: Vec::new(), history: String::new() })
}

impl Play {
    /// Makes the tenants and their bridges, and lets the first wab apply adopt them.
    async fn adopt(&mut self, tenants: u32, at: Moment) -> Result<()> {
        let mut dice = Dice::of(u64::from(tenants));
        for tenant in 1..=tenants {
            let customer_ref = name(tenant);
            let word = if dice.chance(0.03) { "disconnected" } else { "connected" }.to_owned();
            let created_at = at - dice.between(DAY, 90 * DAY);
            self.model.provider.make(Bridge {
                customer_ref: customer_ref.clone(),
                state: "running".to_owned(),
                word,
                created_at,
            });
            self.model.rows.insert(customer_ref, Row { wanted: true, ..Row::default() });
        }
        self.stage.fill(&self.model).await?;
        self.stage.at(at + MINUTE)?;
        self.stage.before_calls(at + MINUTE).await?;
        let said = self.stage.apply()?;
        anyhow::ensure!(said.code == 0, "the first apply: {}{}", said.stdout, said.stderr);
        let _ = self.model.apply(at + MINUTE);
        Ok(())
    }

    fn add(&mut self, at: Moment, task: Task) {
        self.added += 1;
        self.agenda.insert((at, self.added), task);
    }

    /// Plays one day with its jobs.
    async fn day(&mut self, day: i64) -> Result<Vec<Mismatch>> {
        let start = Moment::day(day);
        if day % HOUSEKEEPING == 0 {
            self.stage.renew().await?;
        }
        for hour in (0..24).map(|hour| start + hour * HOUR) {
            self.add(hour, Task::Reconcile);
            self.add(hour + 2 * MINUTE, Task::WorkQueue);
            self.add(hour + 4 * MINUTE, Task::Alerts);
        }
        self.add(start + 6 * MINUTE, Task::Summary);
        self.add(start + 3 * HOUR + 15 * MINUTE, Task::Prune);
        self.add(start + 6 * HOUR + 20 * MINUTE, Task::Plan);
        self.add(start + 6 * HOUR + 30 * MINUTE, Task::Apply);
        self.add(start + DAY - 10 * MINUTE, Task::Check);
        let mut mismatches = Vec::new();
        while let Some(entry) = self.agenda.first_entry() {
            let (at, _) = *entry.key();
            if at >= start + DAY {
                break;
            }
            let task = entry.remove();
            self.stage.at(at)?;
            mismatches.extend(self.task(task, at).await?);
        }
        Ok(mismatches)
    }

    async fn task(&mut self, task: Task, at: Moment) -> Result<Vec<Mismatch>> {
        self.done += 1;
        let is_down = !self.model.provider.answers();
        let calls = match &task {
            // The comparison of the provider reads what the provider has become.
            Task::Reconcile | Task::Plan | Task::Apply | Task::Check | Task::Happen(Event::Together) => true,
            Task::WorkQueue => !self.model.queue.is_empty(),
            _ => false,
        };
        if calls {
            self.stage.before_calls(at).await?;
        }
        match task {
            Task::Happen(event) => return self.happen(&event, at).await,
            Task::Arrive { customer_ref, word, at: happened } => {
                let event = json!({"event": word, "timestamp": happened.0});
                self.stage.run(&format!("SELECT wab_ingest_event('{customer_ref}', '{event}')")).await?;
                self.model.ingest(&customer_ref, &word, happened, at);
            }
            Task::Reconcile => {
                let reconcile = format!(
                    "CALL wab_run_job('reconcile', 'SELECT count(*) FROM wab_reconcile(max_status_calls => {CALLS})')"
                );
                // A backend that stays counts its calls and the pauses that the provider asks for by the real clock, which
                // hardly moves from one hour to the next.
                let provider = &self.model.provider;
                let done = match provider.lists() && !provider.hides_statuses {
                    true => self.stage.run(&reconcile).await,
                    false => self.stage.job(&reconcile).await,
                };
                if done.is_ok() != self.model.provider.lists() {
                    let expected = if done.is_ok() { "an error" } else { "success" };
                    return Ok(vec![job("wab_reconcile()", at, expected.to_owned(), format!("{done:?}"))]);
                }
                // If wab_reconcile() could not read the row of a bridge, it asks the session for its status.
                let asked = match provider.hides_statuses || provider.list_fault.is_some() {
                    true => self.stage.asked(at).await?,
                    false => Vec::new(),
                };
                self.model.reconcile(at, &asked);
                return Ok(self.model.polling.compare(at));
            }
            Task::WorkQueue => {
                const WORK: &str = "CALL wab_work_queue(max_calls => 9)";
                // Without an entry it calls nobody, and needs no backend of its own.
                let done = match self.model.queue.is_empty() {
                    true => self.stage.run(WORK).await,
                    false => self.stage.job(WORK).await,
                };
                if done.is_err() && !is_down {
                    return Ok(vec![job("wab_work_queue()", at, "success".to_owned(), format!("{done:?}"))]);
                }
                self.model.work_queue(at);
            }
            Task::Alerts => {
                self.stage.run("SELECT * FROM wab_send_alerts()").await?;
                return checks::alerts(&self.stage.receiver.documents(), &mut self.model, at);
            }
            Task::Summary => {
                self.stage.run("CALL wab_run_job('summary', 'SELECT wab_log_summary()')").await?;
            }
            Task::Prune => {
                self.stage
                    .run("CALL wab_run_job('prune', 'SELECT wab_prune_history(interval ''400 days'')')")
                    .await?;
                if at.nth_day() % HOUSEKEEPING == 0 {
                    self.stage.run("VACUUM ANALYZE").await?;
                }
            }
            Task::Plan => {
                return compare_plan(&self.stage.plan()?, &self.model.foresee(at), at);
            }
            Task::Apply => {
                let said = self.stage.apply()?;
                let expected = self.model.apply(at);
                if !expected.contains(&said.code) {
                    let real = format!("exit {}: {}{}", said.code, said.stdout, said.stderr);
                    return Ok(vec![job("wab apply", at, format!("one of the exits {expected:?}"), real)]);
                }
            }
            Task::Check => {
                let bridges = self.model.known.iter().count();
                let mut found =
                    dead_rows::compare(&mut self.stage, bridges, std::mem::take(&mut self.done), at).await?;
                found.extend(checks::all(&mut self.stage, &self.model, at).await?);
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn happen(&mut self, event: &Event, at: Moment) -> Result<Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        for act in self.model.happen(event, at) {
            self.stage.act(&act, &self.model.declared).await?;
            match act {
                Act::Webhook { customer_ref, word, after } => {
                    self.add(at + after, Task::Arrive { customer_ref, word, at });
                }
                Act::ApplyTwice => mismatches.extend(self.together(at).await?),
                _ => {}
            }
        }
        Ok(mismatches)
    }

    /// Of two wab apply at the same time, one finds the lock taken.
    async fn together(&mut self, at: Moment) -> Result<Option<Mismatch>> {
        let (second, was_running, first) = self.stage.apply_twice().await?;
        let may_end = |code: Option<i32>| matches!(code, Some(0 | 1 | 3 | 5 | 9 | 10));
        let is_right = may_end(first) && may_end(Some(second.code)) && (!was_running || second.code == 10);
        let real = format!("exits {first:?} and {}: {}{}", second.code, second.stdout, second.stderr);
        Ok((!is_right).then(|| job("two wab apply", at, "one exit 10".to_owned(), real)))
    }
}

/// That a job ended otherwise than it should.
fn job(name: &str, at: Moment, model: String, real: String) -> Mismatch {
    Mismatch { check: "jobs", at, object: name.to_owned(), model: Some(model), real: Some(real) }
}
