//! Durations as text, and as whole seconds with `#[serde(with = "crate::ground::span")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// `1h 39m`, `1m 48s`, `54s`: the two largest units, rounded up to whole seconds.
pub fn span(time: Duration) -> String {
    let seconds = whole_seconds(time);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")];
    let largest = units.iter().position(|(amount, _)| *amount > 0).unwrap_or(3);
    let shown = units[largest..].iter().take(2).filter(|(amount, _)| *amount > 0);
    let text = shown.map(|(amount, unit)| format!("{amount}{unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Whole seconds, rounded up.
pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(whole_seconds(*time))
}

/// Whole seconds.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}
