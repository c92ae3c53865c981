//! `wab plan`: shows what apply would do. It changes nothing at the provider or in the database.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::Fleet;
use crate::db::store::Store;
use crate::ground::Exit;
use crate::model::{Error, Format, Origin, SavedPlan};
use crate::provider::client::reader;
use crate::render::ci;
use crate::render::console::Console;
use crate::render::json;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::run::evaluate::{Evaluator, EvaluatorConfig};
use crate::verb::flags::{DetailFlags, Output, Polling, ShrinkFlags, Targets, duration};
use crate::verb::out_file::Place;
use crate::verb::plan_file;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub shrink: ShrinkFlags,
    #[command(flatten)]
    pub targets: Targets,
    /// Also write the plan to this file, for wab apply FILE; - is stdout, and the plan for people then goes to
    /// stderr. It holds tenants' ids, and no secret; the umask decides who may read it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long the written plan may be applied
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = positive, requires = "out")]
    pub valid_for: Duration,
    #[command(flatten)]
    pub polling: Polling,
    /// Exit 2 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub detail: DetailFlags,
    /// A plan is always a dry run; the flag is accepted for people who expect it
    #[arg(long = "dry-run", hide = true)]
    _dry_run: bool,
}

/// A duration that is not 0: a plan that was never valid could not be applied.
fn positive(text: &str) -> Result<Duration, &'static str> {
    match duration(text)? {
        Duration::ZERO => Err("the plan could never be applied"),
        time => Ok(time),
    }
}

/// Shows the plan, and writes it to a file if `--out` names one.
pub async fn plan(fleet: &Fleet, args: &PlanArgs, screen: Screen) -> Result<Exit, Error> {
    let key = fleet.api_key()?;
    let account_fingerprint = key.fingerprint();
    let (client, console) = (reader(fleet, key)?, Console::default());
    let mut store = Store::connect(&fleet.database).await?;
    let config = EvaluatorConfig {
        fleet,
        client: &client,
        events: &console,
        shrink: args.shrink.policy(),
        scope: args.targets.scope(),
    };
    let mut evaluator = Evaluator::new(config, &mut store).await?;
    evaluator.poll(&mut store, args.polling.max()).await?;
    let mut snapshot = evaluator.snapshot(&mut store).await?;
    let (plan, listing_sha256) = evaluator.preview(&mut store, &mut snapshot).await?;
    let origin = Origin {
        fleet_yaml_sha256: fleet.sha256.clone(),
        account_fingerprint,
        database: store.database().await?,
        listing_sha256,
        made_at: store.now().await?,
        valid_for: args.valid_for,
    };
    let saved = SavedPlan::new(plan, origin);
    let plan = &saved.plan;
    let is_to_stdout = args.out.as_deref().is_some_and(|path| Place::of(path) == Place::Stdout);
    match (is_to_stdout, args.output.format()) {
        (false, format) => screen.result(&screen.saved(&saved, format, args.detail.detail()))?,
        (true, Format::Json) => {}
        (true, format) => emit(&screen.on_stderr().saved(&saved, format, args.detail.detail())),
    }
    let exit = match (plan.refusals.is_empty(), args.detailed_exitcode && plan.has_changes()) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Changes,
        (true, false) => Exit::Done,
    };
    let exit = exit.unless_incomplete(plan.summary.malformed);
    ci::plan(plan, exit);
    match (&args.out, exit) {
        (Some(path), Exit::Done | Exit::Changes) => plan_file::write(path, &json::saved(&saved))?,
        (Some(path), _) => emit(&format!("{} was not written: this plan cannot be applied", path.display())),
        (None, _) => {}
    }
    Ok(exit)
}
