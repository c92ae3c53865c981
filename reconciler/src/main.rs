//! `wab`, from the command line to the exit code; errors are shown here, once, and nothing is decided.

mod adopt;
mod apply;
mod approval;
mod checkup;
mod cli;
mod drift;
mod error;
mod exit;
mod facts;
mod fleet;
mod guard;
mod observe;
mod outlook;
mod plan;
mod poll;
mod render;
mod report;
mod saved;
mod scan;
mod stop;
mod store;
mod verb;
mod version;
mod who;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::render::Screen;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A broken pipe under --help is nobody's error.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
                _ => Exit::Error.into(),
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            render::talk(&format!("error: cannot start: {error}"));
            return Exit::Error.into();
        }
    };
    let screen = Screen::new(cli.colour());
    render::speak(cli.verb.talks());
    let exit = runtime.block_on(verb::run(&cli, screen)).unwrap_or_else(|error| {
        render::error(&error, screen);
        if let Some((verb, format)) = cli.verb.reports() {
            screen.failed(verb, &error, format);
        }
        error.exit()
    });
    exit.into()
}
