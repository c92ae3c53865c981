//! The uptime of one tenant as a strip, with the same in words.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::ground::span;
use crate::model::{Table, Value};

/// How far the strip reaches back.
const DAYS: i64 = 30;
/// Its width, in units of the drawing.
const WIDTH: i64 = 900;

/// One status that lasted for a while.
struct Span {
    status: String,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// The strip of the statuses of `Query::tenant_statuses`.
pub fn strip(statuses: &Table, now: DateTime<Utc>) -> Markup {
    let begin = now - TimeDelta::days(DAYS);
    let spans = spans(statuses, begin, now);
    let total = |status: &str| -> TimeDelta {
        spans.iter().filter(|span| span.status == status).map(|span| span.until - span.since).sum()
    };
    let words = summary(&total);
    html! {
        figure.strip {
            svg role="img" aria-label=(format!("Status in the last {DAYS} days: {words}")) viewBox={ "0 0 " (WIDTH) " 24" }
                preserveAspectRatio="none" {
                rect.none x="0" y="0" width=(WIDTH) height="24" {}
                @for span in &spans {
                    @let (from, to) = (place(span.since, begin), place(span.until, begin));
                    rect class=(span.status) x=(from) y="0" width=((to - from).max(1)) height="24" {}
                }
            }
            figcaption { "The last " (DAYS) " days: " (words) "." }
        }
    }
}

fn spans(statuses: &Table, begin: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Span> {
    let read = |row: &Vec<Value>| match row.as_slice() {
        [Value::Text(status), Value::Time(since), until] => {
            let until = if let Value::Time(until) = until { *until } else { now };
            Some(Span { status: status.clone(), since: (*since).max(begin), until: until.min(now) })
        }
        _ => None,
    };
    let lasts = |span: &Span| span.until > span.since && span.status != "removed";
    statuses.rows.iter().filter_map(read).filter(lasts).collect()
}

fn place(at: DateTime<Utc>, begin: DateTime<Utc>) -> i64 {
    (at - begin).num_seconds() * WIDTH / TimeDelta::days(DAYS).num_seconds()
}

/// `paired 29d 3h, disconnected 2h`.
fn summary(total: &impl Fn(&str) -> TimeDelta) -> String {
    let names = [
        ("paired", "paired"),
        ("awaiting_scan", "waiting for a scan"),
        ("disconnected", "disconnected"),
        ("unknown", "unknown"),
    ];
    let times = names.iter().filter_map(|(status, name)| {
        let time = total(status).to_std().ok().filter(|time| time.as_secs() > 0)?;
        Some(format!("{name} {}", span(time)))
    });
    let text = times.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "no status was observed".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strip_has_the_times_in_words() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let days = |n| now - TimeDelta::days(n);
        let row = |status: &str, since, until| vec![Value::Text(status.into()), Value::Time(since), until];
        let rows = vec![
            row("paired", days(40), Value::Time(days(10))),
            row("disconnected", days(10), Value::Time(days(9))),
            row("removed", days(9), Value::Time(days(3))),
            row("paired", days(3), Value::Null),
        ];
        let markup = strip(&Table { columns: Vec::new(), rows }, now).into_string();
        assert!(markup.contains("paired 23d, disconnected 1d"), "{markup}");
        assert!(markup.contains(r#"class="disconnected" x="600" y="0" width="30""#), "{markup}");
        assert_eq!(markup.matches("<rect").count(), 4);
        assert!(strip(&Table::default(), now).into_string().contains("no status was observed"));
    }
}
