//! `wab show`: shows a saved plan, after verifying its checksum. It needs no database and no provider.

use std::path::PathBuf;

use clap::Args;

use crate::ground::{Exit, harmless};
use crate::model::Error;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::verb::flags::{DetailFlags, Output};
use crate::verb::plan_file;

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A file that wab plan --out wrote; - for stdin
    #[arg(value_name = "PLANFILE")]
    pub plan_file: PathBuf,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub detail: DetailFlags,
}

/// Shows the saved plan.
pub fn show(args: &ShowArgs, screen: Screen) -> Result<Exit, Error> {
    let saved = plan_file::read(&args.plan_file)?;
    emit(&format!(
        "made {} by {}, for the account {} and the database {}; to be applied before {}",
        saved.made_at.format("%Y-%m-%d %H:%M:%S UTC"),
        harmless(&saved.tool),
        harmless(&saved.account_fingerprint),
        harmless(&saved.database),
        saved.expires_at.format("%Y-%m-%d %H:%M:%S UTC"),
    ));
    screen.result(&screen.saved(&saved, args.output.format(), args.detail.detail()))?;
    Ok(Exit::Done)
}
