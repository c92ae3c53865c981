//! The verbs, one file each: its flags, and what it does with what the other modules offer. No SQL and no HTTP here.

mod apply;
mod completion;
mod doctor;
mod drift;
mod export;
mod init;
mod logout;
mod man;
mod pair;
mod plan;
mod qr;
mod schema;
mod show;
mod status;
mod tenant;
mod validate;

pub use apply::ApplyArgs;
pub use completion::CompletionArgs;
pub use drift::DriftArgs;
pub use export::ExportArgs;
pub use init::InitArgs;
pub use logout::LogoutArgs;
pub use man::ManArgs;
pub use pair::PairArgs;
pub use plan::PlanArgs;
pub use qr::QrArgs;
pub use schema::SchemaArgs;
pub use show::ShowArgs;
pub use validate::ValidateArgs;

use wabridges::ReadClient;

use crate::cli::{Cli, Verb};
use crate::error::Error;
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::render::Screen;

/// Runs the verb; stdout gets its result.
pub async fn run(cli: &Cli, screen: Screen) -> Result<Exit, Error> {
    // Some verbs do without fleet.yaml, so each loads it for itself.
    let fleet = || Fleet::load(&cli.file);
    match &cli.verb {
        Verb::Init(args) => init::init(&cli.file, args, screen).await,
        Verb::Doctor(output) => doctor::doctor(&cli.file, output, screen).await,
        Verb::Validate(args) => validate::validate(&cli.file, args, screen),
        Verb::Plan(args) => plan::plan(&fleet()?, args, screen).await,
        Verb::Apply(args) => apply::apply(&fleet()?, args, screen).await,
        Verb::Drift(args) => drift::drift(&fleet()?, args, screen).await,
        Verb::Show(args) => show::show(args, screen),
        Verb::Schema(args) => schema::schema(args, screen),
        Verb::Status(output) => status::status(&fleet()?, output, screen).await,
        Verb::Export(args) => export::export(&cli.file, args, screen).await,
        Verb::Pair(args) => pair::pair(&fleet()?, args, screen).await,
        Verb::Qr(args) => qr::qr(&fleet()?, args, screen).await,
        Verb::Logout(args) => logout::logout(&fleet()?, args, screen).await,
        Verb::Completion(args) => completion::completion(args, screen),
        Verb::Man(args) => man::man(args, screen),
    }
}

/// The client of verbs that only look.
fn reader(fleet: &Fleet) -> Result<ReadClient, Error> {
    ReadClient::new(fleet.client_config(), fleet.api_key()?)
        .map_err(Error::provider("cannot set the provider's client up"))
}
