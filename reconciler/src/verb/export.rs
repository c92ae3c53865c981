//! `wab export`: what adopts an existing account, on stdout. It looks with a client and a transaction that keep nothing.

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
    /// What is written
    #[arg(long, value_enum, default_value = "yaml")]
    format: Form,
    /// The same as --format sql
    #[arg(long, conflicts_with = "format")]
    sql: bool,
    /// The provider's address, instead of fleet.yaml's
    #[arg(long, value_name = "URL")]
    api_url: Option<ApiUrl>,
    #[command(flatten)]
    shrink: ShrinkFlags,
    /// The tenants table, if it is not bound yet; instead of fleet.yaml's
    #[arg(long)]
    table: Option<String>,
    /// Its column that identifies a tenant
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "id")]
    tenant_id: String,
    /// Its column that holds the bridge_id
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "bridge_id")]
    bridge_id: String,
    /// Its column that holds the status
    #[arg(long, value_name = "COLUMN", requires = "table", default_value = "bridge_status")]
    bridge_status: String,
    /// SQL over one row: who should have a bridge
    #[arg(long, value_name = "SQL", requires = "table", default_value = "true")]
    wanted: String,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A fleet.yaml, in which every bridge that no tenant owns is kept
    Yaml,
    /// A script for psql that writes the bridges on the tenant rows
    Sql,
}

/// What the account and the database were found to be.
struct Look {
    fleet: Fleet,
    found: Found,
    target: Option<Target>,
    bind: Bind,
}

/// Writes what adopts the account.
pub async fn export(file: &Path, args: &ExportArgs, screen: Screen) -> Result<Exit, Error> {
    let mut base = Base::load(file)?;
    if let Some(api_url) = &args.api_url {
        base.fleet.account.api_url = api_url.clone();
    }
    let key = base.fleet.api_key()?;
    base.fleet.account.key_fingerprint = Some(key.fingerprint());
    let client = reader(&base.fleet, key)?;
    let mut store = Store::connect(&base.fleet.database).await?;
    store.require_primary().await?;
    let observer = Observer { client: &client, events: &Console::default() };
    let mut reading = observer.read(&mut store).await?;
    let look = async |store: &mut Store, reading: &Reading| look(store, reading, &base, args).await;
    let look = observer.up_to_date(&mut store, &mut reading, look).await?;
    let adopted = adopt::adopt(look.fleet, look.found, &reading.listing, reading.listed_at.date_naive());
    let text = match (if args.sql { Form::Sql } else { args.format }, &look.target) {
        (Form::Yaml, _) => yaml::fleet(&adopted),
        (Form::Sql, Some(target)) => adoption::script(&adopted, target, look.bind),
        (Form::Sql, None) => return Err(no_table()),
    };
    screen.result(&text)?;
    Ok(Exit::Done.unless_incomplete(reading.listing.malformed.len()))
}

/// What the export starts from.
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
    /// fleet.yaml, if there is one. A shell empties the file that it redirects into, so an empty one is none.
    fn load(file: &Path) -> Result<Self, Error> {
        let absent = match std::fs::read_to_string(file) {
            Ok(text) if text.trim().is_empty() => {
                emit_safely(&format!("note: {} is empty, so nothing is taken from it", file.display()));
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

/// Evaluates the reading; the database is left as it was.
async fn look(store: &mut Store, reading: &Reading, base: &Base, args: &ExportArgs) -> Result<Look, Error> {
    let mut fleet = base.fleet.clone();
    let mut evaluation = store.evaluation().await?;
    let known = evaluation.known().await?;
    let bind = if known.binding.is_some() { Bind::Done } else { Bind::Needed };
    fleet.tenants = tenants(&known, args, fleet.tenants)?;
    if base.origin == Origin::Nothing {
        (fleet.extra, fleet.keep) = (known.extra, known.keep);
    }
    let found = evaluation.found(&fleet, reading, args.shrink.policy()).await?;
    let target = evaluation.target().await?;
    evaluation.rollback().await?;
    // The database's own words for the table mean the same whatever the search_path.
    fleet.tenants = target.as_ref().map(|target| Tenants::from(target.binding.clone()));
    Ok(Look { fleet, found, target, bind })
}

/// How the tenants table shall be read; `None`: as it is bound, or not at all.
fn tenants(known: &Known, args: &ExportArgs, declared: Option<Tenants>) -> Result<Option<Tenants>, Error> {
    match (&known.binding, &args.table) {
        (Some(Binding { table, .. }), Some(_)) => Err(Error::config(
            format!("--table: the tenants table is bound already, as {table}"),
            "leave --table out; to read it in another way, bind it anew: wab_bind_tenants()",
        )),
        (Some(_), None) => Ok(None),
        (None, None) => Ok(declared),
        (None, Some(table)) => Ok(Some(Tenants {
            table: table.clone(),
            tenant_id: args.tenant_id.clone(),
            bridge_id: args.bridge_id.clone(),
            bridge_status: args.bridge_status.clone(),
            wanted: args.wanted.clone(),
        })),
    }
}

fn no_table() -> Error {
    Error::config(
        "no tenants table is bound yet, and none is named: there is no row to write",
        "name it: wab export --sql --table public.tenants --wanted \"status = 'active'\"",
    )
}
