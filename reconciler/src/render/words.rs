//! Money, time, counts, colours and foreign text, in words for people; no layout is here.

use std::time::Duration;

use owo_colors::{OwoColorize, Style};
use rust_decimal::Decimal;
use unicode_width::UnicodeWidthStr;

use super::Colour;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// With ANSI colours.
    Ansi,
}

impl Paint {
    /// What the flag, the environment (NO_COLOR, CLICOLOR_FORCE) and the terminal want, in this order.
    pub fn choose(wish: Colour, terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match wish {
            Colour::Never => Self::Plain,
            Colour::Auto if no_color => Self::Plain,
            Colour::Auto if set("CLICOLOR_FORCE") || terminal => Self::Ansi,
            Colour::Auto => Self::Plain,
        }
    }

    fn with(self, text: &str, style: Style) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => text.style(style).to_string(),
        }
    }

    pub fn bold(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }
    pub fn dim(self, text: &str) -> String {
        self.with(text, Style::new().dimmed())
    }
    pub fn green(self, text: &str) -> String {
        self.with(text, Style::new().green())
    }
    pub fn red(self, text: &str) -> String {
        self.with(text, Style::new().red())
    }
    pub fn yellow(self, text: &str) -> String {
        self.with(text, Style::new().yellow())
    }
}

/// `$1,234.50`, with a minus in front where it is owed to us.
pub fn money(amount: Decimal) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount < Decimal::ZERO { "-" } else { "" };
    format!("{sign}${}.{cents}", grouped(whole))
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `+$90.00/month`: what a month will cost more, or less.
pub fn change(amount: Decimal) -> String {
    let sign = if amount < Decimal::ZERO { "" } else { "+" };
    format!("{sign}{}", a_month(amount))
}

/// `$90.00/month`.
pub fn a_month(amount: Decimal) -> String {
    format!("{}/month", money(amount))
}

/// `1h 39m`, `1m 48s`, `54s`: the two largest units, rounded up to whole seconds.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")];
    let largest = units.iter().position(|(amount, _)| *amount > 0).unwrap_or(3);
    let shown = units[largest..].iter().take(2).filter(|(amount, _)| *amount > 0);
    let text = shown.map(|(amount, unit)| format!("{amount}{unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `1 bridge`, `2 bridges`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Whether the character steers a terminal or turns the direction of what follows it.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Sentences of ours with ids of theirs in them: whole, but with control characters escaped, those of direction too.
/// Nor can it command a CI runner, whatever the format: any of these texts may end up in a job's log.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    powerless(out)
}

/// The runner of GitHub Actions takes a line that begins with `::`, or has `##[` in it, for a command. It compares by
/// the rules of a language, which overlook characters that are not seen: so they are overlooked here too.
fn powerless(text: String) -> String {
    let seen = || text.chars().filter(char::is_ascii);
    let begins = seen().skip_while(char::is_ascii_whitespace).take(2).eq("::".chars());
    let text = if begins { text.replacen(':', "\\u{3a}", 1) } else { text };
    if text.contains('[') && text.chars().filter(char::is_ascii).collect::<String>().contains("##[") {
        return text.replace('[', "\\u{5b}");
    }
    text
}

/// `https://app.example.com/…`: a URL without its path.
pub fn host_only(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if url.has_host() => {
            format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default())
        }
        _ => "…".to_owned(),
    }
}

/// Text from elsewhere, fit for a terminal's line: control characters escaped, at most 60 characters.
pub fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    harmless(&start)
}

/// `10,000`.
pub fn thousands(n: usize) -> String {
    grouped(&n.to_string())
}

/// Rows of cells as aligned lines, without borders.
pub fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|nth| {
            rows.iter().filter_map(|row| row.get(nth)).map(|cell| cell.width()).max().unwrap_or_default()
        })
        .collect();
    let line = |row: Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("  {cell}{}", " ".repeat(width.saturating_sub(cell.width()))));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.into_iter().map(line).collect()
}
