//! `wab validate`: fleet.yaml alone, offline; nothing else is read.

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
    /// How problems are written
    #[arg(long, value_enum, default_value = "text")]
    format: ProblemFormat,
}

/// How problems are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProblemFormat {
    /// For people, to stderr: with the line and carets under what is meant
    Text,
    /// For programs, to stdout: an array
    Json,
    /// For GitHub's workflows, to stdout: one annotation each
    Github,
}

/// Says all that is wrong with the file, or that it is valid.
pub fn validate(path: &Path, args: &ValidateArgs, screen: Screen) -> Result<Exit, Error> {
    let mut inspection = inspect::inspect(&load::text(path)?, path);
    let notes = inspection.notes(chrono::Local::now().date_naive());
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
