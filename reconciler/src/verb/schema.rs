//! `wab schema`: the JSON Schemas of fleet.yaml and of what the verbs print with `--json`; no file is read.

use clap::Args;

use crate::config::shape;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::schema;
use crate::render::screen::Screen;

/// Flags of `schema`: which one; without any, fleet.yaml's.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub struct SchemaArgs {
    /// Of the document that plan --json prints
    #[arg(long)]
    plan: bool,
    /// Of the document that apply --json prints
    #[arg(long)]
    apply: bool,
    /// Of the document that drift --json prints
    #[arg(long)]
    drift: bool,
    /// Of the document that status --json prints
    #[arg(long)]
    status: bool,
}

/// Shows the schema.
pub fn schema(args: &SchemaArgs, screen: Screen) -> Result<Exit, Error> {
    let schema = match args {
        SchemaArgs { plan: true, .. } => schema::plan(),
        SchemaArgs { apply: true, .. } => schema::apply(),
        SchemaArgs { drift: true, .. } => schema::drift(),
        SchemaArgs { status: true, .. } => schema::status(),
        SchemaArgs { .. } => format!("{:#}", shape::schema()),
    };
    screen.result(&schema)?;
    Ok(Exit::Done)
}
