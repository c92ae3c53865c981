//! `wab serve`: shows the fleet as pages and metrics, receives webhooks and serves the pairing page, until a signal ends it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;
use wabridges::WebhookKeys;

use crate::config::{Fleet, Webhook};
use crate::db::ingest::Ingest;
use crate::db::pool::Pool;
use crate::ground::Exit;
use crate::model::Error;
use crate::render::stderr::{emit, emit_safely, warn};
use crate::run::receive::Receiver;
use crate::run::signals;
use crate::serve::{Access, Metrics, Received, Token, board, hooks, server};
use crate::verb::pairing_page::PairingPageArgs;

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Show the pages here
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The file with the token that opens the pages: one random word, readable by this user alone. Browsers ask for it as
    /// a password
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Show the pages without a token; only on an address of this machine, such as 127.0.0.1
    #[arg(long, conflicts_with = "token_file")]
    no_auth: bool,
    /// Answer to this name in the address too, such as board.example.com; may be repeated
    #[arg(long, value_name = "NAME", value_parser = host)]
    host: Vec<String>,
    /// A proxy at this address has authenticated the user whom it names in X-Forwarded-User; may be repeated
    #[arg(long, value_name = "IP", conflicts_with = "no_auth")]
    trusted_proxy: Vec<IpAddr>,
    /// Receive webhooks here, as POST /hooks/{customer_ref}/{secret}; needs bridges.webhook_secret_file. Without
    /// --token-file and --no-auth there are no pages
    #[arg(long, value_name = "ADDRESS:PORT")]
    hooks_listen: Option<SocketAddr>,
    #[command(flatten)]
    pairing: PairingPageArgs,
}

impl ServeArgs {
    /// Who may see the pages; `None` if there are none.
    fn access(&self) -> Result<Option<Access>, Error> {
        if self.token_file.is_none() && !self.no_auth {
            return Ok(None);
        }
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
        Ok(Some(access))
    }
}

/// A name without a scheme, a port and a path.
fn host(name: &str) -> Result<String, String> {
    let is_address = name.starts_with('[') && name.ends_with(']');
    let is_name =
        !name.is_empty() && !name.contains(|c: char| matches!(c, '/' | ':' | '@') || c.is_whitespace());
    match is_address || is_name {
        true => Ok(name.to_owned()),
        false => Err("write the name alone, such as board.example.com".to_owned()),
    }
}

/// A service, where it is reached, and what it is.
struct Service {
    listener: TcpListener,
    app: Router,
    name: &'static str,
    path: &'static str,
}

/// Serves until SIGTERM or SIGINT. It starts without the database, and connects when it is asked for something.
pub async fn serve(fleet: &Fleet, args: &ServeArgs) -> Result<Exit, Error> {
    let access = args.access()?;
    // A connection string that cannot be read is found now.
    fleet.database.connection()?;
    let (signal_sent, stopping) = watch::channel(false);
    let received = Arc::new(Received::new(emit_safely));
    let mut services = Vec::new();
    if let Some(access) = access {
        let listener = listen(args.listen).await?;
        let mut metrics =
            Metrics::read().map_err(|error| Error::config(error.to_string(), "build wab again"))?;
        metrics.webhooks = args.hooks_listen.map(|_| received.clone());
        let app = board(Pool::new(fleet.database.clone()), metrics, access, stopping.clone());
        services.push(Service { listener, app, name: "wab serve", path: "/" });
    }
    if let Some(address) = args.hooks_listen {
        let keys = fleet.webhook_keys()?.ok_or_else(|| {
            Error::config(
                "there is no key to verify webhooks with",
                "name a file in fleet.yaml: bridges.webhook_secret_file; write the key with openssl rand -hex 32",
            )
        })?;
        let listener = listen(address).await?;
        if fleet
            .webhook
            .as_ref()
            .and_then(Webhook::template)
            .is_some_and(|url| !url.as_str().contains(WebhookKeys::PLACEHOLDER))
        {
            warn("bridges.webhook_url has no {secret}: calls to it would be refused");
        }
        let receiver = Receiver::start(Ingest::new(fleet.database.clone()), emit_safely);
        let app = hooks(keys, receiver, received);
        services.push(Service { listener, app, name: "webhooks", path: "/" });
    }
    if let Some(address) = args.pairing.pairing_listen {
        let listener = listen(address).await?;
        let app = args.pairing.page(fleet, listener.local_addr().unwrap_or(address))?;
        services.push(Service { listener, app, name: "pairing page", path: "/p" });
    }
    if services.is_empty() {
        return Err(Error::config(
            "there is nothing to serve",
            "for pages on this machine: --no-auth; for pages elsewhere: --token-file FILE; for webhooks: --hooks-listen \
             ADDRESS:PORT; for the pairing page: --pairing-listen ADDRESS:PORT",
        ));
    }
    signals::hand_over(move || {
        signal_sent.send_replace(true);
    });
    run(services, stopping).await;
    Ok(Exit::Done)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::config(
            format!("cannot listen on {address}: {error}"),
            "end the program that listens there, or name another address, such as 127.0.0.1:8788",
        )
    })
}

async fn run(services: Vec<Service>, stopping: watch::Receiver<bool>) {
    let mut running = Vec::new();
    for Service { listener, app, name, path } in services {
        if let Ok(address) = listener.local_addr() {
            emit(&format!("{name}: http://{address}{path}"));
        }
        let mut stopping = stopping.clone();
        let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        running.push(tokio::spawn(server::serve(listener, app, stop)));
    }
    // It fails where no service manager waits for it.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    for service in running {
        let _ = service.await;
    }
}
