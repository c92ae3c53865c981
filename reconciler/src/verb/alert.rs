//! `wab alert`: posts the incidents that began and ended since the last time.

use clap::Args;

use crate::config::Fleet;
use crate::db::store::Store;
use crate::ground::{Exit, count, harmless};
use crate::model::{Error, Sent};
use crate::provider::client::receiver;
use crate::render::json;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::run;

/// Flags of `alert`.
#[derive(Debug, Args)]
pub struct AlertArgs {
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// Sends what is due. It calls the receiver and never the provider.
pub async fn alert(fleet: &Fleet, args: &AlertArgs, screen: Screen) -> Result<Exit, Error> {
    let receiver = receiver(fleet, fleet.alert_url()?)?;
    let mut store = Store::connect(&fleet.database).await?;
    let sent = run::alert::alert(&mut store, &receiver).await?;
    if args.json {
        screen.result(&json::sent(&sent))?;
    } else {
        screen.result(&text(&sent))?;
    }
    if let Some(error) = &sent.error {
        emit(&format!("error: {}: the incidents stay due; run wab alert again", harmless(error)));
    }
    if sent.outcome == "waiting" {
        emit("error: alerts are undelivered: the incidents stay due; run wab alert again");
    }
    Ok(match sent.outcome {
        "failed" | "waiting" => Exit::Error,
        "busy" => Exit::Locked,
        _ => Exit::Done,
    })
}

fn text(sent: &Sent) -> String {
    let incidents = format!(
        "{} that began and {} that ended",
        count(sent.began, "incident"),
        count(sent.ended, "incident")
    );
    match sent.outcome {
        "sent" => format!("Sent {incidents}."),
        "nothing" => "Nothing to send.".to_owned(),
        "busy" => "Another sender is at work.".to_owned(),
        "waiting" => "The last attempt failed, and the pause after it is not over.".to_owned(),
        _ => format!("Could not send {incidents}."),
    }
}
