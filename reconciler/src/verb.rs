//! The verbs, one file each: its flags, and what it does with what the other modules offer. No SQL and no HTTP here.

mod apply;
mod drift;
mod plan;
mod schema;
mod status;
mod validate;

pub use apply::ApplyArgs;
pub use drift::DriftArgs;
pub use plan::PlanArgs;
pub use validate::ValidateArgs;

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
        Verb::Validate(args) => validate::validate(&cli.file, args, screen),
        Verb::Schema => schema::schema(screen),
        Verb::Plan(args) => plan::plan(&fleet()?, args, screen).await,
        Verb::Apply(args) => apply::apply(&fleet()?, args, screen).await,
        Verb::Drift(args) => drift::drift(&fleet()?, args, screen).await,
        Verb::Status(output) => status::status(&fleet()?, output, screen).await,
    }
}

/// The client of verbs that only look.
fn reader(fleet: &Fleet) -> Result<ReadClient, Error> {
    ReadClient::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))
}
