//! `wab qr`: fetches the QR code that pairs a bridge, and draws it or saves it. It needs no database.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use wabridges::qr::{Terminal, read};

use crate::config::Fleet;
use crate::ground::Exit;
use crate::model::Error;
use crate::provider::client::reader;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::verb::out_file::{Old, Place};
use crate::verb::tenant::TenantArg;

/// Flags of `qr`.
#[derive(Debug, Args)]
pub struct QrArgs {
    #[command(flatten)]
    pub tenant: TenantArg,
    /// Save the provider's PNG to a file that only you can read, instead of drawing it; - is stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Without colours: draw for a terminal with dark text on a light background
    #[arg(long, conflicts_with = "out")]
    pub light: bool,
}

/// Draws the QR code, or saves it.
pub async fn qr(fleet: &Fleet, args: &QrArgs, screen: Screen) -> Result<Exit, Error> {
    let client = reader(fleet, fleet.api_key()?)?;
    args.tenant.require_one_bridge(&client).await?;
    let image = match client.qr(&args.tenant.tenant).await {
        Ok(image) => image,
        Err(error) => return Err(args.tenant.no_code(&client, "the provider sent no QR code", error).await),
    };
    match &args.out {
        Some(file) => save(file, &image, if args.force { Old::Replaced } else { Old::Kept })?,
        None => {
            let text = read(&image).map_err(unreadable)?;
            let terminal = if args.light { Terminal::Light } else { Terminal::Dark };
            screen.result(&screen.qr(&text, terminal).map_err(unreadable)?)?;
        }
    }
    emit(
        "Scan it with the phone: WhatsApp > Settings > Linked devices > Link a device.\n\
         It is valid for a short time; run wab qr again for a new one.",
    );
    Ok(Exit::Done)
}

fn unreadable(why: String) -> Error {
    Error::config(
        format!("cannot draw the provider's QR code in the terminal: {why}"),
        "save it and open it with another program: --out code.png",
    )
}

/// Saves the picture for this user only, because a scan of the code gives access to the session.
fn save(file: &Path, image: &[u8], old: Old) -> Result<(), Error> {
    Place::of(file).write_private(image, old).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "name another file, or replace this one: --force",
            _ => "name a writable file: --out FILE",
        };
        Error::config(format!("cannot write {}: {error}", file.display()), hint)
    })
}
