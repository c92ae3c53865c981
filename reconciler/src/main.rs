//! `wab`, from the command line to the exit code; errors are shown here, once, and nothing is decided.

mod apply;
mod approval;
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
mod render;
mod report;
mod stop;
mod store;
mod verb;

use std::error::Error as _;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::error::Error;
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
    let exit = runtime.block_on(verb::run(&cli, screen)).unwrap_or_else(|error| {
        show(&error, screen.on_stderr());
        error.exit()
    });
    exit.into()
}

/// The error, what is below it, and the way on.
fn show(error: &Error, screen: Screen) {
    if let Error::Fleet { file, problems } = error {
        render::talk(&format!("{}\n", screen.problems(file, problems)));
    }
    render::talk_safely(&format!("error: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        render::talk_safely(&format!("  because: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        render::talk_safely(&format!("hint: {hint}"));
    }
}
