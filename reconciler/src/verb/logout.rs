//! `wab logout`: unpairs a tenant's bridge after approval. It needs no database.

use clap::Args;

use crate::config::Fleet;
use crate::ground::Exit;
use crate::model::Error;
use crate::provider::client::client;
use crate::render::screen::Screen;
use crate::render::screen::{logged_out, logout_question};
use crate::verb::approval::{self, Approval};
use crate::verb::flags::Consent;
use crate::verb::tenant::TenantArg;

/// Flags of `logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    #[command(flatten)]
    pub tenant: TenantArg,
    #[command(flatten)]
    pub consent: Consent,
}

/// Logs the tenant out. The call is sent at most once.
pub async fn logout(fleet: &Fleet, args: &LogoutArgs, screen: Screen) -> Result<Exit, Error> {
    let approval = Approval::of(
        &args.consent,
        "logout",
        "the customer must pair again afterwards; to approve: --auto-approve (-y)",
    )?;
    let tenant = &args.tenant.tenant;
    let client = client(fleet, fleet.api_key()?)?;
    args.tenant.require_one_bridge(client.reader()).await?;
    if approval == Approval::Ask {
        let session = match client.reader().session(tenant).await {
            Ok(session) => session,
            Err(error) => {
                return Err(args.tenant.failed("nothing was done", error));
            }
        };
        if !approval::ask(&logout_question(tenant, &session))? {
            return Err(Error::config(
                "the logout was not approved: nothing was done",
                "answer yes, or use -y",
            ));
        }
    }
    if let Err(error) = client.logout(tenant).await {
        let doing = if error.is_ambiguous() {
            "it is not known whether the session was destroyed: if it was, wab qr shows a code"
        } else {
            "the session was not destroyed"
        };
        return Err(args.tenant.failed(doing, error));
    }
    screen.result(&logged_out(tenant))?;
    Ok(Exit::Done)
}
