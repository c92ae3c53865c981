//! `wab show`: a saved plan, if it is as it was written. Nobody is called.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Detail, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{self, Screen};
use crate::saved::SavedPlan;

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The file that wab plan --out wrote
    #[arg(value_name = "PLANFILE")]
    pub plan_file: PathBuf,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub detail: Detail,
}

/// Shows the saved plan.
pub fn show(args: &ShowArgs, screen: Screen) -> Result<Exit, Error> {
    let saved = SavedPlan::read(&args.plan_file)?;
    render::talk(&format!(
        "made {} by {}, for the account {}; to be applied before {}",
        saved.made_at.format("%Y-%m-%d %H:%M:%S UTC"),
        render::harmless(&saved.tool),
        render::harmless(&saved.account_fingerprint),
        saved.expires_at.format("%Y-%m-%d %H:%M:%S UTC"),
    ));
    screen.result(&screen.saved(&saved, args.output.format(), args.detail.length()))?;
    Ok(Exit::Done)
}
