//! Shows the progress of a run on stderr: as a bar on a terminal, else as a line every few seconds, or as
//! JSON events.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::AbortHandle;

use crate::ground::named;
use crate::model::{Outcome, Plan, Report, Step, StepReport};
use crate::render::charset;
use crate::render::rate::Rate;
use crate::render::stderr::{emit, event, in_events, warn};

/// How often a line is written if stderr is not a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// How often the text of the bar is updated.
const TICK: Duration = Duration::from_secs(1);

/// A shorter wait emits no event.
const SHORT: Duration = Duration::from_secs(1);

/// The progress of one run.
#[derive(Debug)]
pub struct Progress {
    shown: Arc<Mutex<Shown>>,
    ticker: AbortHandle,
}

/// The form of the progress.
#[derive(Debug)]
enum Shape {
    Bar(ProgressBar),
    Lines,
    Events,
}

/// What is shown of a run.
#[derive(Debug)]
struct Shown {
    shape: Shape,
    rate: Rate,
    began: Instant,
    doing: String,
}

impl Progress {
    /// Starts the progress of a run.
    pub fn new(plan: &Plan) -> Self {
        let (total, now) = (plan.steps.len(), Instant::now());
        let rate = Rate::new(total, plan.duration, now);
        let shown = Shown { shape: shape(total), rate, began: now, doing: String::new() };
        if matches!(shown.shape, Shape::Events) {
            event(
                "started",
                json!({"total": total, "steps": plan.summary.steps, "eta_seconds": shown.rate.eta(now).as_secs()}),
            );
        }
        let period = if matches!(shown.shape, Shape::Bar(_)) { TICK } else { EVERY };
        let shown = Arc::new(Mutex::new(shown));
        let ticking = Arc::clone(&shown);
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                lock(&ticking).tick(Instant::now());
            }
        });
        Self { shown, ticker: ticker.abort_handle() }
    }

    /// This step is next; the remaining steps take at least this long.
    pub fn starting(&self, step: &Step, left: Duration) {
        let (mut shown, now) = (lock(&self.shown), Instant::now());
        shown.rate.begin(step.kind(), left, now);
        shown.doing = format!("{} {}", step.kind(), named(step.customer_ref().as_str()));
        shown.draw(now);
    }

    /// The run waits this long for the provider's limits before its next call.
    pub fn waiting(&self, wait: Duration) {
        let (mut shown, now) = (lock(&self.shown), Instant::now());
        if wait < SHORT {
            return;
        }
        shown.rate.wait(wait, now);
        match &shown.shape {
            Shape::Bar(_) | Shape::Lines => shown.draw(now),
            Shape::Events => {
                let mut fields = shown.rate.numbers(now);
                fields["wait_seconds"] = wait.as_secs_f64().ceil().into();
                event("waiting", fields);
            }
        }
    }

    /// These steps were tried; the remaining steps take at least this long.
    pub fn finished(&self, reports: &[StepReport], left: Duration) {
        let (mut shown, now) = (lock(&self.shown), Instant::now());
        shown.rate.finish(reports.len(), left, now);
        match &shown.shape {
            Shape::Bar(bar) => bar.inc(reports.len().try_into().unwrap_or(0)),
            Shape::Lines => {}
            Shape::Events => reports.iter().for_each(|step| event("step", json!(step))),
        }
        shown.draw(now);
    }

    /// Writes a line. In events it is left out, because the step's event holds the same text.
    pub fn say(&self, text: &str) {
        match &lock(&self.shown).shape {
            Shape::Bar(bar) => bar.suspend(|| warn(text)),
            Shape::Lines => warn(text),
            Shape::Events => {}
        }
    }

    /// Writes a warning.
    pub fn warn(&self, text: &str) {
        match &lock(&self.shown).shape {
            Shape::Bar(bar) => bar.suspend(|| warn(text)),
            Shape::Lines | Shape::Events => warn(text),
        }
    }

    /// Ends the progress.
    pub fn finish(&self, report: &Report) {
        self.ticker.abort();
        let (shown, now) = (lock(&self.shown), Instant::now());
        match &shown.shape {
            Shape::Bar(bar) => bar.finish_and_clear(),
            Shape::Lines => {}
            Shape::Events => event(
                "finished",
                json!({
                    "run_id": report.run_id,
                    "outcome": report.outcome(),
                    "total": shown.rate.total,
                    "done": report.count(Outcome::Done),
                    "failed": report.count(Outcome::Failed),
                    "unknown": report.count(Outcome::Unknown),
                    "stale": report.stale(),
                    "not_begun": shown.rate.total.saturating_sub(report.steps.len()),
                    "seconds": now.duration_since(shown.began).as_secs(),
                }),
            ),
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shape(total: usize) -> Shape {
    if in_events() {
        return Shape::Events;
    }
    if !io::stderr().is_terminal() {
        return Shape::Lines;
    }
    let bar = bar(total);
    bar.enable_steady_tick(Duration::from_millis(200));
    Shape::Bar(bar)
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total.try_into().unwrap_or(u64::MAX));
    // A narrow terminal cuts the message off; a line that wraps would be drawn again and again.
    let style = ProgressStyle::with_template("{bar:20} {pos} of {len}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(if charset::is_ascii() { style.progress_chars("#>-") } else { style });
    bar
}

impl Shown {
    /// Updates the bar, or writes a line or an event.
    fn tick(&self, now: Instant) {
        match &self.shape {
            Shape::Bar(_) => self.draw(now),
            Shape::Lines => {
                emit(&format!("{} of {} steps, {}", self.rate.done, self.rate.total, self.rate.words(now)));
            }
            Shape::Events => event("progress", self.rate.numbers(now)),
        }
    }

    fn draw(&self, now: Instant) {
        if let Shape::Bar(bar) = &self.shape {
            bar.set_message(format!("{}  {}", self.rate.words(now), self.doing));
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{ProgressDrawTarget, TermLike};
    use unicode_width::UnicodeWidthStr;

    use super::*;

    /// A terminal of 60 columns, with what was written to it.
    #[derive(Clone, Debug, Default)]
    struct Narrow(Arc<Mutex<String>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            60
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_narrow_terminal_cuts_the_bar_off_and_wraps_no_line() {
        let (terminal, began, bar) = (Narrow::default(), Instant::now(), bar(100_000));
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
        let mut rate = Rate::new(100_000, Duration::from_secs(30), began);
        rate.wait(Duration::from_secs(60), began);
        let doing = format!("provision {}", "é".repeat(200));
        Shown { shape: Shape::Bar(bar.clone()), rate, began, doing }.draw(began);
        bar.abandon();
        let written = terminal.0.lock().unwrap().clone();
        assert!(written.contains("0 of 100000  30s left, wai"), "{written}");
        assert!(written.lines().all(|line| line.width() <= 60), "{written}");
    }
}
