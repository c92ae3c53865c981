//! `wab export`: prints a fleet.yaml or SQL that adopts an existing account. It changes nothing.

use std::io::ErrorKind;
use std::path::Path;

use clap::{Args, ValueEnum};
use wabridges::ApiUrl;

use crate::config::{Fleet, Tenants};
use crate::db::adopt::{Known, Target};
use crate::db::adoption;
use crate::db::adoption::Bind;
use crate::db::store::Store;
use crate::decide::adopt;
use crate::ground::Exit;
use crate::model::{Binding, Error, Found, Reading};
use crate::provider::client::reader;
use crate::render::console::Console;
use crate::render::screen::Screen;
use crate::render::stderr::emit_safely;
use crate::render::yaml;
use crate::run::observe::Observer;
use crate::verb::flags::ShrinkFlags;

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The output
    #[arg(long, value_enum, default_value = "yaml")]
    format: Form,
    /// The same as --format sql
    #[arg(long, conflicts_with = "format")]
    sql: bool,
    /// The provider's address, instead of the one in fleet.yaml
    #[arg(long, value_name = "URL")]
    api_url: Option<ApiUrl>,
    #[command(flatten)]
    shrink: ShrinkFlags,
    /// The tenants table, if none is bound yet; instead of the one in fleet.yaml
    #[arg(long)]
    table: Option<String>,
    /// Its column with the tenant's id
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "id")]
    tenant_id: String,
    /// Its column with the bridge_id
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "bridge_id")]
    bridge_id: String,
    /// Its column with the status
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "bridge_status")]
    bridge_status: String,
    /// SQL predicate over a row: whether the tenant should have a bridge
    #[arg(long, value_name = "SQL", requires = "table", default_value = "true")]
    wanted: String,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A fleet.yaml that keeps every bridge without a tenant row
    Yaml,
    /// A psql script that writes the bridge ids and statuses on the tenant rows
    Sql,
}

/// The account and the database, as evaluated.
struct Evaluated {
    fleet: Fleet,
    found: Found,
    target: Option<Target>,
    bind: Bind,
}

/// Prints the fleet.yaml or the script.
pub async fn export(file: &Path, args: &ExportArgs, screen: Screen) -> Result<Exit, Error> {
    let mut base = Base::load(file)?;
    if let Some(api_url) = &args.api_url {
        base.fleet.account.api_url = api_url.clone();
    }
    let key = base.fleet.api_key()?;
    if base.fleet.account.key_fingerprints.is_empty() {
        base.fleet.account.key_fingerprints = vec![key.fingerprint()];
    }
    let client = reader(&base.fleet, key)?;
    let mut store = Store::connect(&base.fleet.database).await?;
    store.require_primary().await?;
    store.require_all_rows().await?;
    let observer = Observer { client: &client, events: &Console::default() };
    let mut reading = observer.read(&mut store).await?;
    let evaluate = async |store: &mut Store, reading: &Reading| evaluate(store, reading, &base, args).await;
    let evaluated = observer.up_to_date(&mut store, &mut reading, evaluate).await?;
    let adopted =
        adopt::adopt(evaluated.fleet, evaluated.found, &reading.listing, reading.listed_at.date_naive());
    let text = match (if args.sql { Form::Sql } else { args.format }, &evaluated.target) {
        (Form::Yaml, _) => yaml::fleet(&adopted),
        (Form::Sql, Some(target)) => adoption::script(&adopted, target, evaluated.bind),
        (Form::Sql, None) => return Err(no_table()),
    };
    screen.result(&text)?;
    Ok(Exit::Done.unless_incomplete(reading.listing.malformed.len()))
}

/// The fleet that the export starts from.
struct Base {
    fleet: Fleet,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Nothing,
}

impl Base {
    /// Loads fleet.yaml, if it exists. An empty file counts as absent: a shell empties the file before `wab`
    /// writes to it.
    fn load(file: &Path) -> Result<Self, Error> {
        let absent = match std::fs::read_to_string(file) {
            Ok(text) if text.trim().is_empty() => {
                emit_safely(&format!("note: {} is empty and was ignored", file.display()));
                true
            }
            Err(error) if error.kind() == ErrorKind::NotFound => file == Path::new("fleet.yaml"),
            _ => false,
        };
        if absent {
            Ok(Self { fleet: Fleet::parse("version: 1", file)?, origin: Origin::Nothing })
        } else {
            Ok(Self { fleet: Fleet::load(file)?, origin: Origin::File })
        }
    }
}

/// Evaluates the reading; the transaction is rolled back.
async fn evaluate(
    store: &mut Store,
    reading: &Reading,
    base: &Base,
    args: &ExportArgs,
) -> Result<Evaluated, Error> {
    let mut fleet = base.fleet.clone();
    let mut evaluation = store.dry_evaluation().await?;
    let known = evaluation.known().await?;
    let bind = if known.binding.is_some() { Bind::Done } else { Bind::Needed };
    fleet.tenants = tenants(&known, args, fleet.tenants)?;
    if base.origin == Origin::Nothing {
        (fleet.extra, fleet.keep) = (known.extra, known.keep);
    }
    let found = evaluation.found(&fleet, reading, args.shrink.policy()).await?;
    let target = evaluation.target().await?;
    evaluation.rollback().await?;
    // The binding as stored has the same meaning under every search_path.
    fleet.tenants = target.as_ref().map(|target| Tenants::from(target.binding.clone()));
    Ok(Evaluated { fleet, found, target, bind })
}

/// The binding to use; `None`: the stored one, or none.
fn tenants(known: &Known, args: &ExportArgs, declared: Option<Tenants>) -> Result<Option<Tenants>, Error> {
    match (&known.binding, &args.table) {
        (Some(Binding { table, .. }), Some(_)) => Err(Error::config(
            format!("--table: the tenants table {table} is bound already"),
            "leave --table out; to change the binding: SELECT wab_bind_tenants(…)",
        )),
        (Some(_), None) => Ok(None),
        (None, None) => Ok(declared),
        (None, Some(table)) => Ok(Some(Tenants {
            table: table.clone(),
            tenant_id: Some(args.tenant_id.clone()),
            bridge_id: Some(args.bridge_id.clone()),
            bridge_status: Some(args.bridge_status.clone()),
            wanted: Some(args.wanted.clone()),
            customer_refs: None,
            disconnected_after: None,
            awaiting_scan_after: None,
            phone: None,
        })),
    }
}

fn no_table() -> Error {
    Error::config(
        "no tenants table is bound, and no flag names one: there are no rows to write",
        "name it: wab export --sql --table public.tenants --wanted \"status = 'active'\"",
    )
}
