//! `wab completion`: prints the completion script of a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::ground::Exit;
use crate::model::Error;
use crate::render::screen::Screen;

/// Flags of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the script.
pub fn completion(args: &CompletionArgs, mut command: Command, screen: Screen) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "wab", &mut script);
    screen.result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
