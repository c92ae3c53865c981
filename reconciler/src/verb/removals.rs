//! `wab removals`: prints entries for bridges.remove, to be reviewed; or takes applied entries out of fleet.yaml. It stores
//! nothing and deletes no bridge.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;

use crate::config::{Fleet, Pruned, Tombstone, load, prune};
use crate::db::store::Store;
use crate::decide::removals::{Choice, applied, propose};
use crate::decide::scope::Scope;
use crate::ground::{Exit, count, named};
use crate::model::{Error, Kind, PlanInput, ShrinkPolicy};
use crate::provider::client::reader;
use crate::render::console::Console;
use crate::render::screen::Screen;
use crate::render::stderr::emit_safely;
use crate::render::yaml;
use crate::run::evaluate::{Evaluator, EvaluatorConfig};
use crate::verb::flags::duration;
use crate::verb::out_file::Place;

/// Flags of `removals`.
#[derive(Debug, Args)]
pub struct RemovalsArgs {
    /// Only these kinds, separated by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = wasteful())]
    pub kind: Vec<Kind>,
    /// Only bridges that have been unneeded for longer than this, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Take the entries whose bridges are gone out of fleet.yaml; every other line stays as it is
    #[arg(long, conflicts_with_all = ["kind", "older_than"])]
    pub prune: bool,
}

/// The kinds of drift that cost money.
fn wasteful() -> impl clap::builder::TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().filter(|kind| kind.wastes()).map(|kind| kind.as_str()))
        .map(|kind| Kind::from(kind.as_str()))
}

/// Prints the entries, or prunes the file.
pub async fn removals(file: &Path, args: &RemovalsArgs, screen: Screen) -> Result<Exit, Error> {
    let text = load::text(file)?;
    let fleet = Fleet::parse(&text, file)?;
    let (input, listed_at) = evaluate(&fleet).await?;
    if !args.prune {
        let choice = Choice { kinds: &args.kind, older_than: args.older_than, now: listed_at };
        screen.result(&yaml::removals::removals(&propose(&input, &fleet, &choice)))?;
        return Ok(Exit::Done.unless_incomplete(input.malformed));
    }
    require_complete(&input, &fleet)?;
    let gone = applied(&fleet.remove, &input);
    if gone.is_empty() {
        emit_safely(&format!("nothing to take out: {}", standing(fleet.remove.len())));
        return Ok(Exit::Done);
    }
    let pruned = prune(&text, &gone);
    let entries = entries(&fleet.remove, &gone, &pruned.lines);
    replace(file, &text, &pruned, &entries)?;
    screen.result(&format!("taken out of {}:\n{entries}", file.display()))?;
    emit_safely(&format!("entries that stay: {}", fleet.remove.len() - gone.len()));
    Ok(Exit::Done)
}

/// Lists and evaluates the fleet, and rolls back.
async fn evaluate(fleet: &Fleet) -> Result<(PlanInput, DateTime<Utc>), Error> {
    let (client, console) = (reader(fleet, fleet.api_key()?)?, Console::default());
    let mut store = Store::connect(&fleet.database).await?;
    let config = EvaluatorConfig {
        fleet,
        client: &client,
        events: &console,
        shrink: ShrinkPolicy::Refuse,
        scope: Scope::default(),
    };
    let evaluator = Evaluator::new(config, &mut store).await?;
    let mut snapshot = evaluator.snapshot(&mut store).await?;
    let input = evaluator.evaluate(&mut store, &mut snapshot).await?;
    Ok((input, snapshot.reading.listed_at))
}

/// A bridge is gone only if a complete listing of the right account lacks it.
fn require_complete(input: &PlanInput, fleet: &Fleet) -> Result<(), Error> {
    if input.malformed > 0 {
        return Err(Error::config(
            format!(
                "{} could not be read, so no bridge counts as gone: fleet.yaml was not changed",
                count(input.malformed, "listed row")
            ),
            "wab drift names the rows; run it again when the provider lists all bridges",
        ));
    }
    let (listed, least) = (input.listed, fleet.policy.min_observed);
    if listed < least {
        return Err(Error::Refused {
            what: format!(
                "the provider listed {listed} bridges of this database; policy.min_observed is {least}: fleet.yaml was not changed"
            ),
            hint: "check that the API key belongs to the right account".into(),
        });
    }
    Ok(())
}

fn standing(entries: usize) -> String {
    match entries {
        0 => "bridges.remove has no entries".to_owned(),
        _ => format!("the bridges of all {entries} entries of bridges.remove are live"),
    }
}

/// The entries with their lines, one a line.
fn entries(tombstones: &[Tombstone], gone: &BTreeSet<usize>, lines: &[usize]) -> String {
    let gone = gone.iter().filter_map(|nth| tombstones.get(*nth)).zip(lines);
    let shown = gone.map(|(tombstone, line)| {
        format!("  line {line}: {}, bridge {}", named(tombstone.customer_ref.as_str()), tombstone.bridge_id)
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Writes the new text, unless the file changed since it was read.
fn replace(file: &Path, text: &str, pruned: &Pruned, entries: &str) -> Result<(), Error> {
    let by_hand = || format!("take these entries out by hand; their bridges are gone:\n{entries}");
    let new = pruned.text.as_ref().map_err(|why| Error::Refused {
        what: format!("{} cannot be edited safely, and was not changed: {why}", file.display()),
        hint: by_hand(),
    })?;
    let Place::File(_) = Place::of(file) else {
        return Err(Error::config(format!("{} is no file that could be edited", file.display()), by_hand()));
    };
    if load::text(file)? != text {
        return Err(Error::stale(format!("{} was changed meanwhile", file.display())));
    }
    Place::of(file)
        .write(new.as_bytes())
        .map_err(|error| Error::config(format!("cannot write {}: {error}", file.display()), by_hand()))
}
