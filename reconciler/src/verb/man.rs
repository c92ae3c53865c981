//! `wab man`: the manual pages, generated from the command line's help.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::ground::Exit;
use crate::model::Error;
use crate::render::screen::Screen;

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write wab.1, wab-plan.1 and so on into this directory; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Prints the page of wab, or writes all pages.
pub fn man(args: &ManArgs, command: Command, screen: Screen) -> Result<Exit, Error> {
    match &args.out {
        Some(dir) => pages(dir, command)?,
        None => {
            let mut page = Vec::new();
            Man::new(command.disable_help_subcommand(true)).render(&mut page).map_err(|error| {
                Error::config(format!("cannot write the man page: {error}"), "run it again")
            })?;
            screen.result(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Done)
}

fn pages(dir: &Path, command: Command) -> Result<(), Error> {
    std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir)).map_err(|error| {
        let what = format!("cannot write man pages into {}: {error}", dir.display());
        Error::config(what, "name a writable directory: --out DIR")
    })
}
