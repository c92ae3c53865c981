//! Times of a simulation: whole seconds, because the simulated clock stands still at whole seconds.

use std::fmt;
use std::ops::{Add, Sub};

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub i64);

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

impl Moment {
    /// Midnight (UTC) at the beginning of the first simulated day, 2027-01-04.
    pub const START: Self = Self(1_799_020_800);

    /// The start of a simulated day; the first one is day 0.
    pub fn day(nth: i64) -> Self {
        Self::START + nth * DAY
    }

    /// The simulated day that it lies in.
    pub fn nth_day(self) -> i64 {
        (self - Self::START).div_euclid(DAY)
    }

    /// The first day of its month, in UTC.
    pub fn month(self) -> NaiveDate {
        let day = self.date();
        day.with_day(1).unwrap_or(day)
    }

    /// Its day in UTC.
    pub fn date(self) -> NaiveDate {
        self.utc().date_naive()
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }
}

/// The beginning and the end of a month.
pub fn bounds(month: NaiveDate) -> (Moment, Moment) {
    let midnight = |day: NaiveDate| Moment(day.and_time(NaiveTime::MIN).and_utc().timestamp());
    (midnight(month), midnight(month + Months::new(1)))
}

impl Add<i64> for Moment {
    type Output = Self;

    fn add(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }
}

impl Sub<i64> for Moment {
    type Output = Self;

    fn sub(self, seconds: i64) -> Self {
        Self(self.0 - seconds)
    }
}

impl Sub for Moment {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.utc().format("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}
