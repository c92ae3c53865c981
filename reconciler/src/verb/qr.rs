//! `wab qr`: fetches the QR code that pairs a bridge, and saves or shows it. The database is not needed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::Fleet;
use crate::ground::Exit;
use crate::model::Error;
use crate::provider::client::reader;
use crate::provider::scan;
use crate::render::qr::Terminal;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::verb::tenant::TenantArg;

/// Flags of `qr`.
#[derive(Debug, Args)]
pub struct QrArgs {
    #[command(flatten)]
    pub tenant: TenantArg,
    /// Save the provider's PNG instead of drawing it, readable by you alone
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file of --out if it is there
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Without colours: draw for a terminal with dark text on a light ground
    #[arg(long, conflicts_with = "out")]
    pub light: bool,
}

/// Saves the QR code, or draws it.
pub async fn qr(fleet: &Fleet, args: &QrArgs, screen: Screen) -> Result<Exit, Error> {
    let client = reader(fleet, fleet.api_key()?)?;
    let image = match client.qr(&args.tenant.tenant).await {
        Ok(image) => image,
        Err(error) => return Err(args.tenant.failed(&client, "no QR code came", error).await),
    };
    match &args.out {
        Some(file) => save(file, &image, if args.force { Old::Replaced } else { Old::Kept })?,
        None => {
            let text = scan::read(&image).map_err(unreadable)?;
            let terminal = if args.light { Terminal::Light } else { Terminal::Dark };
            screen.result(&screen.qr(&text, terminal).map_err(unreadable)?)?;
        }
    }
    emit(
        "Scan it with the phone: WhatsApp > Settings > Linked devices > Link a device.\n\
         It is good for a short time only; run wab qr again for a fresh one.",
    );
    Ok(Exit::Done)
}

fn unreadable(why: String) -> Error {
    Error::config(
        format!("the provider's picture cannot be drawn in the terminal: {why}"),
        "save it and open it with another program: --out code.png",
    )
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy)]
enum Old {
    Kept,
    Replaced,
}

/// Whoever scans the code gets the session, so others may not read the file.
fn save(file: &Path, image: &[u8], old: Old) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match old {
        Old::Kept => options.create_new(true),
        Old::Replaced => options.create(true).truncate(true),
    };
    options.open(file).and_then(|mut file| file.write_all(image)).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "name another file, or replace this one with --force",
            _ => "name a file that you may write: --out FILE",
        };
        Error::config(format!("cannot write {}: {error}", file.display()), hint)
    })
}
