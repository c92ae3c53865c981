//! The program `wab`: parses the command line, runs the verb, and prints errors.

mod cli;
mod config;
mod db;
mod decide;
mod ground;
mod model;
mod provider;
mod render;
mod run;
mod serve;
mod verb;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::ground::Exit;
use crate::render::screen::Screen;
use crate::render::stderr::{emit, set_format};
use crate::run::signals;

fn main() -> ExitCode {
    if let Err(error) = signals::handle(|signal| emit(&format!("stopped by {signal}"))) {
        emit(&format!("error: cannot handle signals: {error}"));
        return Exit::Error.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If stdout is closed, the help text has no reader; this is not an error.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
                _ => Exit::Error.into(),
            };
        }
    };
    // While this thread waits for an answer, or for a slow reader of its output, the other one keeps the lock of wab apply.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            emit(&format!("error: cannot start: {error}"));
            return Exit::Error.into();
        }
    };
    let screen = Screen::new(cli.colour());
    set_format(cli.verb.stderr_format());
    let exit = runtime.block_on(cli.run(screen)).unwrap_or_else(|error| {
        screen.error(&error);
        if let Some((verb, format)) = cli.verb.reports() {
            screen.failed(verb, &error, format);
        }
        error.exit()
    });
    exit.into()
}
