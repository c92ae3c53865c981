//! Writes the table of measured figures and targets.

use std::fmt::Write as _;

use crate::contest::{Outcome, Run};

/// The target of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Ours must be at least this many times as fast.
    Faster(f64),
    /// Ours may take at most this many times as long.
    AtMost(f64),
    /// Ours may take at most this many times the memory.
    Memory(f64),
    /// Ours must take less than this many seconds.
    Under(f64),
    /// The row has no target and is only for comparison.
    None,
}

/// The largest allowed growth of a figure from one size to ten times that size.
pub const GROWTH: f64 = 12.0;

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub against: &'static str,
    pub outcome: Outcome,
    pub target: Target,
}

impl Row {
    pub fn new(what: &str, against: &'static str, outcome: Outcome, target: Target) -> Self {
        Self { what: what.to_owned(), against, outcome, target }
    }

    /// Whether the row meets its target; `None` without a target.
    pub fn is_met(&self) -> Option<bool> {
        let Outcome { ours, ratio, .. } = self.outcome;
        match self.target {
            Target::Faster(times) => Some(ratio >= times),
            Target::AtMost(times) => Some(1.0 / ratio <= times),
            Target::Memory(times) => Some(ratio <= times),
            Target::Under(seconds) => Some(ours.seconds < seconds),
            Target::None => None,
        }
    }

    /// The figure that grows with the fleet: kilobytes in a row about memory, else seconds.
    fn figure(&self) -> f64 {
        let Run { seconds, peak_kb } = self.outcome.ours;
        if matches!(self.target, Target::Memory(_)) { peak_kb as f64 } else { seconds }
    }

    /// The figure divided by the same figure at a tenth of the size.
    pub fn growth(&self, smaller: &[Self]) -> Option<f64> {
        let same = smaller.iter().find(|row| row.what == self.what && row.against == self.against)?;
        Some(self.figure() / same.figure())
    }

    fn ratio(&self) -> String {
        let ratio = self.outcome.ratio;
        match self.target {
            Target::Faster(_) | Target::None => format!("{ratio:.1}× faster"),
            Target::AtMost(_) | Target::Under(_) => format!("{:.2}× the time", 1.0 / ratio),
            Target::Memory(_) => format!("{ratio:.2}× the memory"),
        }
    }

    fn target(&self) -> String {
        match self.target {
            Target::Faster(times) => format!("≥ {times}×"),
            Target::AtMost(times) | Target::Memory(times) => format!("≤ {times}×"),
            Target::Under(seconds) => format!("< {} ms", seconds * 1e3),
            Target::None => String::new(),
        }
    }
}

/// The rows of one size as a Markdown table; `smaller` has the rows of a tenth of the size.
pub fn table(rows: &[Row], smaller: &[Row]) -> String {
    let mut text = String::from(
        "| what | against | ours | theirs | ratio | target | met | growth |\n|---|---|--:|--:|--:|--:|---|--:|\n",
    );
    for row in rows {
        let memory = matches!(row.target, Target::Memory(_));
        let show = |run: Run| match (memory, run.peak_kb) {
            (true, kilobytes) => format!("{:.1} MB", kilobytes as f64 / 1024.0),
            (false, 0) => duration(run.seconds),
            (false, kilobytes) => format!("{}, {:.0} MB", duration(run.seconds), kilobytes as f64 / 1024.0),
        };
        let met = row.is_met().map_or("", |met| if met { "yes" } else { "**no**" });
        let growth = row.growth(smaller).map_or(String::new(), |times| format!("{times:.1}×"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {met} | {growth} |",
            row.what,
            row.against,
            show(row.outcome.ours),
            show(row.outcome.theirs),
            row.ratio(),
            row.target(),
        );
    }
    text
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..0.001 => format!("{:.3} ms", seconds * 1e3),
        ..0.01 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.3} s"),
    }
}
