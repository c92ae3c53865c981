//! Shows the progress of a run on stderr: as a bar on a terminal, else as a line every few seconds, or as
//! JSON events.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::ground::{named, span};
use crate::model::{Outcome, Plan, Report, Step, StepReport};
use crate::render::charset;
use crate::render::stderr::{emit, event, in_events, warn};

/// How often a line is written if stderr is not a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// How often the text of the bar is updated.
const TICK: Duration = Duration::from_secs(1);

/// The rate is measured over the last minute.
const WINDOW: Duration = Duration::from_secs(60);

/// A shorter wait emits no event.
const SHORT: Duration = Duration::from_secs(1);

/// The progress of one run.
#[derive(Debug)]
pub struct Progress {
    pace: Arc<Mutex<Pace>>,
    ticker: AbortHandle,
}

/// The form of the progress.
#[derive(Debug)]
enum Shape {
    Bar(ProgressBar),
    Lines,
    Events,
}

/// The steps done, their rate, and the steps left.
#[derive(Debug)]
struct Pace {
    shape: Shape,
    total: usize,
    done: usize,
    began: Instant,
    /// The kind of the current step, and when steps of this kind began.
    kind: &'static str,
    since: Instant,
    /// The steps of this kind that ended within the last minute.
    recent: VecDeque<(Instant, usize)>,
    /// The earliest end that the provider's limits allow.
    due: Instant,
    /// Until when the run waits for the provider's limits.
    waits_until: Option<Instant>,
    doing: String,
}

impl Progress {
    /// Starts the progress of a run.
    pub fn new(plan: &Plan) -> Self {
        let (total, now) = (plan.steps.len(), Instant::now());
        let pace = Pace {
            shape: shape(total),
            total,
            done: 0,
            began: now,
            kind: "",
            since: now,
            recent: VecDeque::new(),
            due: now + plan.duration,
            waits_until: None,
            doing: String::new(),
        };
        if matches!(pace.shape, Shape::Events) {
            event(
                "started",
                json!({"total": total, "steps": plan.summary.steps, "eta_seconds": pace.eta(now).as_secs()}),
            );
        }
        let period = if matches!(pace.shape, Shape::Bar(_)) { TICK } else { EVERY };
        let pace = Arc::new(Mutex::new(pace));
        let ticking = Arc::clone(&pace);
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                lock(&ticking).tick(Instant::now());
            }
        });
        Self { pace, ticker: ticker.abort_handle() }
    }

    /// This step is next; the remaining steps take at least this long.
    pub fn starting(&self, step: &Step, left: Duration) {
        let (mut pace, now) = (lock(&self.pace), Instant::now());
        pace.due = now + left;
        if pace.kind != step.kind() {
            (pace.kind, pace.since) = (step.kind(), now);
            pace.recent.clear();
        }
        pace.doing = format!("{} {}", step.kind(), named(step.customer_ref().as_str()));
        pace.draw(now);
    }

    /// The run waits this long for the provider's limits before its next call.
    pub fn waiting(&self, wait: Duration) {
        let (mut pace, now) = (lock(&self.pace), Instant::now());
        if wait < SHORT {
            return;
        }
        pace.waits_until = Some(now + wait);
        match &pace.shape {
            Shape::Bar(_) | Shape::Lines => pace.draw(now),
            Shape::Events => {
                let mut fields = pace.numbers(now);
                fields["wait_seconds"] = wait.as_secs_f64().ceil().into();
                event("waiting", fields);
            }
        }
    }

    /// These steps were tried; the remaining steps take at least this long.
    pub fn finished(&self, reports: &[StepReport], left: Duration) {
        let (mut pace, now) = (lock(&self.pace), Instant::now());
        pace.done += reports.len();
        pace.due = now + left;
        pace.recent.push_back((now, reports.len()));
        match &pace.shape {
            Shape::Bar(bar) => bar.inc(reports.len().try_into().unwrap_or(0)),
            Shape::Lines => {}
            Shape::Events => reports.iter().for_each(|step| event("step", json!(step))),
        }
        pace.draw(now);
    }

    /// Writes a line. In events it is left out, because the step's event holds the same text.
    pub fn say(&self, text: &str) {
        match &lock(&self.pace).shape {
            Shape::Bar(bar) => bar.suspend(|| warn(text)),
            Shape::Lines => warn(text),
            Shape::Events => {}
        }
    }

    /// Writes a warning.
    pub fn warn(&self, text: &str) {
        match &lock(&self.pace).shape {
            Shape::Bar(bar) => bar.suspend(|| warn(text)),
            Shape::Lines | Shape::Events => warn(text),
        }
    }

    /// Ends the progress.
    pub fn finish(&self, report: &Report) {
        self.ticker.abort();
        let (pace, now) = (lock(&self.pace), Instant::now());
        match &pace.shape {
            Shape::Bar(bar) => bar.finish_and_clear(),
            Shape::Lines => {}
            Shape::Events => event(
                "finished",
                json!({
                    "run_id": report.run_id,
                    "outcome": report.outcome(),
                    "total": pace.total,
                    "done": report.count(Outcome::Done),
                    "failed": report.count(Outcome::Failed),
                    "unknown": report.count(Outcome::Unknown),
                    "not_begun": pace.total.saturating_sub(report.steps.len()),
                    "seconds": now.duration_since(pace.began).as_secs(),
                }),
            ),
        }
    }
}

fn lock(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Pace {
    /// Steps per minute.
    fn rate(&self, now: Instant) -> f64 {
        let window = now.duration_since(self.since).clamp(SHORT, WINDOW);
        let recent = self.recent.iter().filter(|(at, _)| now.duration_since(*at) <= WINDOW);
        let done: usize = recent.map(|(_, n)| n).sum();
        f64::from(u32::try_from(done).unwrap_or(u32::MAX)) * 60.0 / window.as_secs_f64()
    }

    /// The longer one of two estimates: from the limits, and from the measured rate.
    fn eta(&self, now: Instant) -> Duration {
        let limits = self.due.saturating_duration_since(now);
        let rate = self.rate(now);
        let left = f64::from(u32::try_from(self.total - self.done).unwrap_or(u32::MAX));
        let measured = if rate > 0.0 { Duration::try_from_secs_f64(left * 60.0 / rate) } else { Ok(limits) };
        limits.max(measured.unwrap_or(limits))
    }

    fn numbers(&self, now: Instant) -> Value {
        let rate = (self.rate(now) * 10.0).round() / 10.0;
        let eta = self.eta(now).as_secs_f64().ceil();
        json!({"done": self.done, "total": self.total, "rate_per_minute": rate, "eta_seconds": eta})
    }

    fn words(&self, now: Instant) -> String {
        let whole = Duration::from_secs(self.eta(now).as_secs_f64().ceil() as u64);
        match self.waits_until {
            Some(until) if until > now => format!("{} left, waiting for the limit", span(whole)),
            _ => format!("{:.1} a minute, {} left", self.rate(now), span(whole)),
        }
    }

    /// Updates the bar, or writes a line or an event.
    fn tick(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
        match &self.shape {
            Shape::Bar(_) => self.draw(now),
            Shape::Lines => emit(&format!("{} of {} steps, {}", self.done, self.total, self.words(now))),
            Shape::Events => event("progress", self.numbers(now)),
        }
    }

    fn draw(&self, now: Instant) {
        if let Shape::Bar(bar) = &self.shape {
            bar.set_message(format!("{}  {}", self.words(now), self.doing));
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
        let waits_until = Some(began + Duration::from_secs(60));
        let doing = format!("provision {}", "é".repeat(200));
        Pace { shape: Shape::Bar(bar.clone()), waits_until, doing, ..pace(began) }.draw(began);
        bar.abandon();
        let written = terminal.0.lock().unwrap().clone();
        assert!(written.contains("0 of 100000  30s left, wai"), "{written}");
        assert!(written.lines().all(|line| line.width() <= 60), "{written}");
    }

    fn pace(began: Instant) -> Pace {
        Pace {
            shape: Shape::Lines,
            total: 100,
            done: 0,
            began,
            kind: "provision",
            since: began,
            recent: VecDeque::new(),
            due: began + Duration::from_secs(30),
            waits_until: None,
            doing: String::new(),
        }
    }

    #[test]
    fn the_rate_is_measured_and_the_later_of_two_estimates_counts() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut pace = pace(began);
        assert_eq!(pace.words(began), "0.0 a minute, 30s left");
        pace.recent = (1..=10).map(|n| (at(n * 6), 1)).collect();
        pace.done = 10;
        assert_eq!(pace.words(at(60)), "10.0 a minute, 9m left");
        pace.due = at(60 + 7200);
        assert_eq!(pace.words(at(60)), "10.0 a minute, 2h left");
        pace.waits_until = Some(at(62));
        assert_eq!(pace.words(at(61)), "1h 59m left, waiting for the limit");
        assert_eq!(pace.words(at(62)), "10.0 a minute, 1h 59m left");
        pace.tick(at(121));
        assert_eq!((pace.recent.len(), pace.rate(at(200))), (0, 0.0));
    }

    #[test]
    fn seconds_are_whole_numbers() {
        let began = Instant::now();
        let numbers = pace(began).numbers(began + Duration::from_millis(500));
        assert_eq!(numbers, json!({"done": 0, "total": 100, "rate_per_minute": 0.0, "eta_seconds": 30.0}));
    }
}
