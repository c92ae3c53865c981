//! Counts calls against the provider's rate limits: fixed windows per class and per IP address. Time is an argument.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// The class of a call; each class has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// `POST /api/instances`.
    Provision,
    /// `/api/instances/:ref/proxy/*`.
    Proxy,
    /// Every other `/api/*`.
    Other,
    /// All other paths: they count for the IP address only, for which every call counts.
    Floor,
}

impl Class {
    /// The name of the class in flags, ledger and log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Proxy => "proxy",
            Self::Other => "other",
            Self::Floor => "floor",
        }
    }
}

/// Calls allowed in one window; 0 means no limit.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rates {
    pub provision: u32,
    pub proxy: u32,
    pub other: u32,
    pub floor: u32,
}

/// A refusal: whole seconds until the window resets, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub u64);

/// The four limits and the counts of the current window.
#[derive(Debug)]
pub struct Limits {
    rates: Rates,
    window: TimeDelta,
    /// The start of one window; the starts of all others follow from it.
    origin: DateTime<Utc>,
    /// The number of the window that the counts belong to, counted from `origin`.
    current: i64,
    used: BTreeMap<Class, u32>,
    used_by_ip: BTreeMap<IpAddr, u32>,
}

/// The windows as control calls show them.
#[derive(Debug, PartialEq, Serialize)]
pub struct Windows {
    pub window_ms: i64,
    /// The age of the current window.
    pub elapsed_ms: i64,
    pub limits: BTreeMap<&'static str, u32>,
    /// Calls counted in the current window per class; `floor` is the busiest address.
    pub used: BTreeMap<&'static str, u32>,
}

impl Limits {
    /// Windows of one minute divided by `speed` (at least 1), one of which starts at `origin`.
    pub fn new(rates: Rates, speed: u32, origin: DateTime<Utc>) -> Self {
        let window = TimeDelta::microseconds(60_000_000 / i64::from(speed.max(1)));
        Self { rates, window, origin, current: 0, used: BTreeMap::new(), used_by_ip: BTreeMap::new() }
    }

    /// Counts a call against its IP address.
    pub fn admit_address(&mut self, address: IpAddr, now: DateTime<Utc>) -> Result<(), RetryAfter> {
        self.roll(now);
        let limit = self.rates.floor;
        let used = self.used_by_ip.entry(address).or_default();
        count(used, limit).map_err(|Full| self.retry_after(now))
    }

    /// Counts an authorized call against its class.
    pub fn admit_class(&mut self, class: Class, now: DateTime<Utc>) -> Result<(), RetryAfter> {
        self.roll(now);
        let limit = match class {
            Class::Provision => self.rates.provision,
            Class::Proxy => self.rates.proxy,
            Class::Other => self.rates.other,
            Class::Floor => return Ok(()),
        };
        let used = self.used.entry(class).or_default();
        count(used, limit).map_err(|Full| self.retry_after(now))
    }

    /// Moves the start of the current window to `elapsed` ago and clears its counts. Fails unless `elapsed` lies within
    /// one window.
    pub fn align(&mut self, elapsed: TimeDelta, now: DateTime<Utc>) -> Result<(), String> {
        if elapsed < TimeDelta::zero() || elapsed >= self.window {
            let window = self.window.num_milliseconds();
            return Err(format!("elapsed_ms must be at least 0 and less than the window, {window} ms"));
        }
        self.origin = now - elapsed;
        self.start(0);
        Ok(())
    }

    /// The windows and their current counts.
    pub fn windows(&mut self, now: DateTime<Utc>) -> Windows {
        self.roll(now);
        let Rates { provision, proxy, other, floor } = self.rates;
        let used = |class| self.used.get(&class).copied().unwrap_or(0);
        let busiest = self.used_by_ip.values().max().copied().unwrap_or(0);
        Windows {
            window_ms: self.window.num_milliseconds(),
            elapsed_ms: (now - self.window_start()).num_milliseconds(),
            limits: [("provision", provision), ("proxy", proxy), ("other", other), ("floor", floor)].into(),
            used: [Class::Provision, Class::Proxy, Class::Other]
                .map(|class| (class.name(), used(class)))
                .into_iter()
                .chain([("floor", busiest)])
                .collect(),
        }
    }

    fn roll(&mut self, now: DateTime<Utc>) {
        let index = micros(now - self.origin).div_euclid(micros(self.window));
        if index != self.current {
            self.start(index);
        }
    }

    fn start(&mut self, index: i64) {
        self.current = index;
        self.used.clear();
        self.used_by_ip.clear();
    }

    fn window_start(&self) -> DateTime<Utc> {
        self.origin + TimeDelta::microseconds(self.current * micros(self.window))
    }

    fn retry_after(&self, now: DateTime<Utc>) -> RetryAfter {
        let left = micros(self.window_start() + self.window - now).max(0).unsigned_abs();
        RetryAfter(left.div_ceil(1_000_000).max(1))
    }
}

/// The limit of the window is used up.
struct Full;

/// Counts one call, unless `limit` (0 means none) is used up; a refused call is not counted.
fn count(used: &mut u32, limit: u32) -> Result<(), Full> {
    if limit != 0 && *used >= limit {
        return Err(Full);
    }
    *used = used.saturating_add(1);
    Ok(())
}

/// Whole microseconds; an i64 holds 292,000 years of them.
fn micros(span: TimeDelta) -> i64 {
    span.num_microseconds().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
