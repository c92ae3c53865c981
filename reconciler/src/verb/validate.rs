//! `wab validate`: checks fleet.yaml, offline.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::config::{inspect, load};
use crate::ground::Exit;
use crate::model::Error;
use crate::render::problems;
use crate::render::problems::Weight;
use crate::render::screen::Screen;
use crate::render::screen::validated;
use crate::render::stderr::emit;

/// Flags of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The format of the problems
    #[arg(long, value_enum, default_value = "text")]
    format: ProblemFormat,
}

impl ValidateArgs {
    /// Whether problems are annotations of GitHub Actions.
    pub fn annotates(&self) -> bool {
        self.format == ProblemFormat::Github
    }
}

/// The format of the problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProblemFormat {
    /// For a terminal, on stderr: the line, with carets under the wrong part
    Text,
    /// A JSON array, on stdout
    Json,
    /// For GitHub Actions, on stdout: one annotation for each problem
    Github,
}

/// Shows all problems in the file, or that it is valid.
pub fn validate(path: &Path, args: &ValidateArgs, screen: Screen) -> Result<Exit, Error> {
    let mut inspection = inspect::inspect(&load::text(path)?, path);
    let notes = inspection.notes(chrono::Utc::now().date_naive());
    let file = path.display().to_string();
    let said = [(Weight::Error, &*inspection.problems), (Weight::Note, &*notes)];
    let valid = inspection.fleet.as_ref().map(|fleet| validated(path, fleet));
    match args.format {
        ProblemFormat::Text => {
            if !notes.is_empty() {
                emit(&screen.on_stderr().notes(&file, &notes));
            }
            let Some(valid) = valid else { return Err(Error::Fleet { file, problems: inspection.problems }) };
            screen.result(&valid)?;
        }
        ProblemFormat::Json => screen.result(&problems::json(&file, &said))?,
        ProblemFormat::Github => {
            let lines = [problems::github(&file, &said), valid.unwrap_or_default()].join("\n");
            screen.result(lines.trim_start())?;
        }
    }
    Ok(if inspection.fleet.is_some() { Exit::Done } else { Exit::Error })
}
