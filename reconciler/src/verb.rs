//! The verbs, one file each: its flags, and what it does with what the other modules offer. No SQL and no HTTP here.

mod apply;
mod doctor;
mod drift;
mod init;
mod plan;
mod schema;
mod show;
mod status;
mod validate;

pub use apply::ApplyArgs;
pub use drift::DriftArgs;
pub use init::InitArgs;
pub use plan::PlanArgs;
pub use schema::SchemaArgs;
pub use show::ShowArgs;

use wabridges::ReadClient;

use crate::cli::{Cli, Verb};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::render::Screen;

/// Runs the verb; stdout gets its result.
pub async fn run(cli: &Cli, screen: Screen) -> Result<Exit, Error> {
    let fleet = || Fleet::load(&cli.file);
    match &cli.verb {
        Verb::Init(args) => init::init(&cli.file, args, screen).await,
        Verb::Doctor(output) => doctor::doctor(&cli.file, output, screen).await,
        Verb::Validate => validate::validate(&cli.file, &fleet()?, screen),
        Verb::Plan(args) => plan::plan(&fleet()?, args, screen).await,
        Verb::Apply(args) => apply::apply(&fleet()?, args, screen).await,
        Verb::Drift(args) => drift::drift(&fleet()?, args, screen).await,
        Verb::Show(args) => show::show(args, screen),
        Verb::Schema(args) => schema::schema(args, screen),
        Verb::Status(output) => status::status(&fleet()?, output, screen).await,
    }
}

/// The client of verbs that only look.
fn reader(fleet: &Fleet) -> Result<ReadClient, Error> {
    ReadClient::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))
}
