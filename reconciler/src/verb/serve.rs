//! `wab serve`: shows the fleet as pages and metrics, until a signal ends it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Fleet;
use crate::db::pool::Pool;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::stderr::emit;
use crate::run::signals;
use crate::serve::{Access, Metrics, Token, board, server};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen here
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The file with the token that opens the pages: one random word, readable by this user alone. Browsers ask for it as
    /// a password
    #[arg(long, value_name = "FILE", required_unless_present = "no_auth")]
    token_file: Option<PathBuf>,
    /// Show the pages without a token; only on an address of this machine, such as 127.0.0.1
    #[arg(long, conflicts_with = "token_file")]
    no_auth: bool,
    /// Answer to this name in the address too, such as board.example.com; may be repeated
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// A proxy at this address has authenticated the user whom it names in X-Forwarded-User; may be repeated
    #[arg(long, value_name = "IP", conflicts_with = "no_auth")]
    trusted_proxy: Vec<IpAddr>,
}

impl ServeArgs {
    fn access(&self) -> Result<Access, Error> {
        if self.no_auth && !self.listen.ip().is_loopback() {
            return Err(Error::config(
                format!("--no-auth would show the fleet to everybody who reaches {}", self.listen),
                "listen on 127.0.0.1 or [::1], or name a token file: --token-file FILE",
            ));
        }
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        let access = Access::new(self.listen, token, &self.host, self.trusted_proxy.clone());
        if access.hosts.is_empty() {
            return Err(Error::config(
                format!("no name of this server is known, because it listens on {}", self.listen),
                "name each that people type: --host board.example.com",
            ));
        }
        Ok(access)
    }
}

/// Serves until SIGTERM or SIGINT. It starts without the database, and connects when a page is asked for.
pub async fn serve(fleet: &Fleet, args: &ServeArgs) -> Result<Exit, Error> {
    let access = args.access()?;
    // A connection string that cannot be read is found now.
    fleet.database.connection()?;
    let metrics = Metrics::read().map_err(|error| Error::config(error.to_string(), "build wab again"))?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Error::config(
            format!("cannot listen on {}: {error}", args.listen),
            "end the program that listens there, or name another address: --listen 127.0.0.1:PORT",
        )
    })?;
    let (signal_sent, mut stopping) = watch::channel(false);
    signals::hand_over(move || {
        signal_sent.send_replace(true);
    });
    let app = board(Pool::new(fleet.database.clone()), metrics, access, stopping.clone());
    let address = listener.local_addr().unwrap_or(args.listen);
    emit(&format!("wab serve: http://{address}/"));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
    server::serve(listener, app, stop).await;
    Ok(Exit::Done)
}
