//! Colours and columns.

use owo_colors::{OwoColorize, Style};
use unicode_width::UnicodeWidthStr;

use crate::model::Colour;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// With ANSI colours.
    Ansi,
}

impl Paint {
    /// Decides by the flag, the environment (NO_COLOR, CLICOLOR_FORCE) and the terminal, in this order.
    pub fn choose(colour: Colour, terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match colour {
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

/// Rows of cells as lines with aligned columns.
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
