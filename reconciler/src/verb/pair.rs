//! `wab pair`: requests a pairing code and explains where to type it. For one tenant it needs no database, but tells it if
//! there is one.

use std::time::Instant;

use clap::Args;
use wabridges::Phone;

use crate::config::{Fleet, Who};
use crate::db::store::Store;
use crate::ground::{Exit, harmless};
use crate::model::{Error, chain};
use crate::provider::client::client;
use crate::render::json;
use crate::render::screen::Screen;
use crate::render::stderr::{emit, emit_safely};
use crate::verb::pair_all::{PairAllArgs, pair_all};
use crate::verb::tenant::TenantArg;

/// Flags of `pair`.
#[derive(Debug, Args)]
#[command(
    override_usage = "wab pair [OPTIONS] --phone <NUMBER> <TENANT>\n       wab pair [OPTIONS] --all-disconnected --phones <FILE> --out <FILE>"
)]
pub struct PairArgs {
    #[command(flatten)]
    pub tenant: Option<TenantArg>,
    /// The phone's number with the country code, such as 15550001234 or "+1 (555) 000-1234"
    #[arg(long, value_name = "NUMBER", required_unless_present = "all_disconnected")]
    pub phone: Option<Phone>,
    /// Print the code as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub all: PairAllArgs,
}

/// Requests one code, or all. A call is sent at most once.
pub async fn pair(fleet: &Fleet, args: &PairArgs, screen: Screen) -> Result<Exit, Error> {
    let (Some(tenant), Some(phone)) = (&args.tenant, &args.phone) else {
        return pair_all(fleet, &args.all).await;
    };
    let client = client(fleet, fleet.api_key()?)?;
    tenant.require_one_bridge(client.reader()).await?;
    let asked = Instant::now();
    let code = match client.pair(&tenant.tenant, phone).await {
        Ok(code) => code,
        Err(error) => {
            let doing = if error.is_ambiguous() {
                "no pairing code arrived, though the provider may have made one: run wab pair again"
            } else {
                "no pairing code was made"
            };
            return Err(tenant.no_code(client.reader(), doing, error).await);
        }
    };
    if args.json {
        screen.result(&json::pairing(&tenant.tenant, phone, &code))?;
    } else {
        screen.result(&harmless(code.as_str()))?;
        emit(&format!(
            "Type it on the phone +{}: WhatsApp > Settings > Linked devices > Link a device > Link with phone number.\n\
             It is valid for a few minutes. The next wab plan or wab_refresh() then sees the bridge as paired.",
            phone.as_str()
        ));
    }
    if std::env::var_os(fleet.database.url_env()).is_some_and(|url| !url.is_empty())
        && let Err(error) = record(fleet, tenant, asked).await
    {
        emit_safely(&format!("note: the database does not know of this code: {}", chain(&error)));
    }
    Ok(Exit::Done)
}

/// Records the code in the database that an environment variable names, so that wab_to_repair shows it.
async fn record(fleet: &Fleet, TenantArg { tenant }: &TenantArg, asked: Instant) -> Result<(), Error> {
    Store::connect(&fleet.database).await?.note_code(tenant, &Who::now().who, asked).await
}
