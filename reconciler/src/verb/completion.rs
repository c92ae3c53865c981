//! `wab completion`: a shell's completion script; nothing is read and nobody is called.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::Screen;

/// Flags of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the script.
pub fn completion(args: &CompletionArgs, screen: Screen) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wab", &mut script);
    screen.result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
