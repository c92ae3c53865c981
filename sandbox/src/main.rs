//! Starts the sandbox, prints its address and ends it cleanly on SIGINT and SIGTERM.

mod answer;
mod app;
mod bridge;
mod change;
mod cli;
mod console;
mod control;
mod control_input;
mod delivery;
mod distort;
mod faults;
mod gzip;
mod http;
mod ledger;
mod limits;
mod listing;
mod postman;
mod provider;
mod qr;
mod record;
mod route;
mod seed;
mod store;
mod webhooks;
mod wire;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use app::{App, Clock, Shared};
use cli::Cli;
use limits::Limits;
use postman::Postman;
use store::Store;
use wire::{Wire, WireListener};
use world::World;

/// The time that running calls get to end after a stop signal.
const GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(cli));
            // A gzip bomb that is still being compressed must not delay the end.
            runtime.shutdown_background();
            report(ended)
        }
        Err(error) => report(Err(error).context("starting the runtime")),
    }
}

fn report(ended: anyhow::Result<()>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    console::complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let clock = Clock::start();
    let store = cli.state.clone().map(|path| Arc::new(Store::new(path)));
    let world = match store.as_deref().map(Store::load).transpose()?.flatten() {
        Some(kept) => kept,
        None => seeded(cli.seed, &clock)?,
    };
    let limits = Limits::new(cli.rates(), cli.speed, clock.started_at());
    let settings = cli.settings();
    let shared = Shared::new(world, limits, &settings);
    let app = Arc::new(App::new(settings, clock, Postman::new()?, shared));
    // Saving now reports a state file that cannot be written before any change is lost.
    store.as_deref().map_or(Ok(()), |store| store.save(&app))?;

    let listener = TcpListener::bind(&cli.listen).await.with_context(|| {
        format!("cannot listen on {} (choose another port with --listen HOST:PORT)", cli.listen)
    })?;
    let address = listener.local_addr().context("reading the address listened on")?;
    // Both are installed before the ready line, because a reader of that line may send a signal at once.
    let (stop, limit) = (Stop::install()?, Stop::install()?);
    console::ready(address).context("writing the ready line to stdout")?;

    let service = http::service(Arc::clone(&app)).into_make_service_with_connect_info::<Wire>();
    let serving = axum::serve(WireListener(listener), service).with_graceful_shutdown(stop.asked());
    let keeping = async {
        match &store {
            Some(store) => Arc::clone(store).keep(Arc::clone(&app)).await,
            None => std::future::pending().await,
        }
    };
    let expired = async {
        limit.asked().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served.context("serving")?,
        () = keeping => {}
        () = expired => {}
    }
    store.as_deref().map_or(Ok(()), |store| store.save(&app))
}

fn seeded(count: u32, clock: &Clock) -> anyhow::Result<World> {
    let mut world = World::default();
    let new = seed::bridges(count, seed::PREFIX, &BTreeSet::new(), clock.now());
    world.add(new, clock.now()).map_err(|refusal| anyhow!("seeding: {refusal:?}"))?;
    Ok(world)
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn install() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one of the two signals.
    async fn asked(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
