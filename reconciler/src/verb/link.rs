//! `wab link`: makes pairing links, for one tenant or for all that wait to be paired, or revokes those of a tenant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args};
use wabridges::CustomerRef;

use crate::config::{Fleet, Who};
use crate::db::links::LinkFor;
use crate::db::store::Store;
use crate::ground::{Exit, count, harmless, quoted};
use crate::model::{Error, LinkRow, MadeLink};
use crate::render::json;
use crate::render::screen::Screen;
use crate::render::stderr::{emit, emit_safely};
use crate::verb::flags::duration;
use crate::verb::links_file::LinksFile;
use crate::verb::tenant::TenantArg;

/// Flags of `link`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("all").args(["all_disconnected", "all_unscanned"])),
    override_usage = "wab link [OPTIONS] <TENANT>\n       wab link [OPTIONS] <--all-disconnected|--all-unscanned>"
)]
pub struct LinkArgs {
    #[command(flatten)]
    pub tenant: Option<TenantArg>,
    /// Make a link for each bridge of wab_to_repair, as last observed, and print them as CSV
    #[arg(long, conflicts_with = "tenant")]
    pub all_disconnected: bool,
    /// Make a link for each bridge of wab_to_nudge, as last observed, and print them as CSV
    #[arg(long, conflicts_with = "tenant")]
    pub all_unscanned: bool,
    /// How long the links work, at most 30d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub valid_for: Duration,
    /// Write the CSV to a new file that only you can read; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-", requires = "all")]
    pub out: PathBuf,
    /// Print the result for one tenant as JSON
    #[arg(long, conflicts_with = "all")]
    pub json: bool,
    /// Revoke all links of the tenant
    #[arg(long, conflicts_with_all = ["all", "valid_for"])]
    pub revoke: bool,
}

/// Makes or revokes links. The provider is not called.
pub async fn link(fleet: &Fleet, args: &LinkArgs, screen: Screen) -> Result<Exit, Error> {
    match &args.tenant {
        Some(TenantArg { tenant }) if args.revoke => revoke(fleet, tenant, args, screen).await,
        Some(TenantArg { tenant }) => one(fleet, tenant, args, screen).await,
        None if args.all_disconnected => all(fleet, LinkFor::ToRepair, args).await,
        None => all(fleet, LinkFor::ToNudge, args).await,
    }
}

async fn revoke(fleet: &Fleet, tenant: &CustomerRef, args: &LinkArgs, screen: Screen) -> Result<Exit, Error> {
    let mut store = Store::connect(&fleet.database).await?;
    let usable = store.revoke_links(tenant, &Who::now().who).await?;
    screen.result(&match args.json {
        true => json::revoked_links(tenant, usable),
        false => format!(
            "{} of {} revoked",
            count(usize::try_from(usable).unwrap_or(usize::MAX), "usable link"),
            harmless(tenant.as_str())
        ),
    })?;
    Ok(Exit::Done)
}

async fn one(fleet: &Fleet, tenant: &CustomerRef, args: &LinkArgs, screen: Screen) -> Result<Exit, Error> {
    let mut store = Store::connect(&fleet.database).await?;
    let rows = store.make_links(LinkFor::Tenant(tenant), args.valid_for, &Who::now().who).await?;
    let made = match rows.into_iter().next().map(|row| row.made) {
        Some(Ok(made)) => made,
        Some(Err(refusal)) => {
            let what = format!("no link was made for {}: {}", quoted(tenant.as_str()), refusal.what);
            return Err(Error::config(what, refusal.hint));
        }
        None => return Err(Error::config("the database returned no link", "run wab link again")),
    };
    if args.json {
        screen.result(&json::link(tenant, &made))?;
    } else {
        screen.result(made.link.as_str())?;
        emit(&format!(
            "It works until {} or until the bridge is paired. Send it to this tenant alone: whoever has it can pair a phone. It is \
             not shown again.",
            shown(made.valid_until)
        ));
    }
    Ok(Exit::Done)
}

/// The list is opened before the links are made, so that none is made for a list that cannot be written.
async fn all(fleet: &Fleet, whom: LinkFor<'_>, args: &LinkArgs) -> Result<Exit, Error> {
    let file = LinksFile::begin(&args.out)?;
    let made = match Store::connect(&fleet.database).await {
        Ok(mut store) => store.make_links(whom, args.valid_for, &Who::now().who).await,
        Err(error) => Err(error),
    };
    let rows = match made {
        Ok(rows) => rows,
        Err(error) => {
            file.remove();
            return Err(error);
        }
    };
    file.write(&rows)?;
    emit_safely(&summary(&rows, &args.out));
    Ok(if rows.iter().all(|row| row.made.is_ok()) { Exit::Done } else { Exit::Partly })
}

fn summary(rows: &[LinkRow], out: &Path) -> String {
    let made: Vec<&MadeLink> = rows.iter().filter_map(|row| row.made.as_ref().ok()).collect();
    let refused = match rows.len() - made.len() {
        0 => String::new(),
        refused => format!("; {} without one: the column detail says why", count(refused, "tenant")),
    };
    match made.iter().map(|made| made.valid_until).min() {
        None if rows.is_empty() => "no bridge waits: no link was made".to_owned(),
        None => format!("no link was made{refused}"),
        Some(until) => {
            let place = if out == Path::new("-") { String::new() } else { format!(" in {}", out.display()) };
            format!("{}{place}, valid until {}{refused}", count(made.len(), "link"), shown(until))
        }
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
