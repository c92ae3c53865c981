//! How far a run is, on stderr: a bar on a terminal, else a line every few seconds. It counts and judges nothing.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::talk;
use super::words::{duration, harmless, shown};
use crate::plan::Step;

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// The progress of one run.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// A run of so many steps begins.
    pub fn new(total: usize) -> Self {
        let shape = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(total.try_into().unwrap_or(u64::MAX));
            let style = ProgressStyle::with_template("{bar:30} {pos} of {len}  {per_sec}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            Shape::Bar(bar)
        } else {
            Shape::Lines { last: Instant::now() }
        };
        Self { total, done: 0, shape }
    }

    /// This step is next; the rest takes at least so long.
    pub fn starting(&self, step: &Step, left: Duration) {
        if let Shape::Bar(bar) = &self.shape {
            let name = shown(step.customer_ref().as_str());
            bar.set_message(format!("{} left  {} {name}", duration(left), step.kind()));
        }
    }

    /// These steps were tried; the rest takes at least so long.
    pub fn finished(&mut self, batch: &[Step], left: Duration) {
        self.done += batch.len();
        match &mut self.shape {
            Shape::Bar(bar) => bar.inc(batch.len().try_into().unwrap_or(0)),
            Shape::Lines { last } if last.elapsed() >= EVERY && self.done < self.total => {
                *last = Instant::now();
                talk(&format!("{} of {} steps, {} left", self.done, self.total, duration(left)));
            }
            Shape::Lines { .. } => {}
        }
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        let text = &harmless(text);
        match &self.shape {
            Shape::Bar(bar) => bar.suspend(|| talk(text)),
            Shape::Lines { .. } => talk(text),
        }
    }

    /// The run ended.
    pub fn finish(&self) {
        if let Shape::Bar(bar) = &self.shape {
            bar.finish_and_clear();
        }
    }
}
