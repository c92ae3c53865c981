//! `wab schema`: prints the JSON Schema of fleet.yaml, or of the JSON that a verb prints.

use clap::Args;

use crate::config::shape;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::schema;
use crate::render::screen::Screen;

/// Flags of `schema`: at most one; without a flag, the schema of fleet.yaml.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub struct SchemaArgs {
    /// The schema of plan --json
    #[arg(long)]
    plan: bool,
    /// The schema of apply --json
    #[arg(long)]
    apply: bool,
    /// The schema of drift --json
    #[arg(long)]
    drift: bool,
    /// The schema of status --json
    #[arg(long)]
    status: bool,
}

/// Prints the schema.
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
