//! Saves the world to the state file after each change, and loads it at the start. No other module writes files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::app::App;
use crate::console;
use crate::world::{Refusal, Snapshot, World};

/// The time for which changes are collected before one write; a killed sandbox loses at most the changes of this time.
const GATHER: Duration = Duration::from_millis(50);

/// The state file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Held while a snapshot is taken and written, so that an older snapshot never replaces a newer one.
    writing: Mutex<()>,
}

impl Store {
    /// A store at `path`; it does not open the file yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::new(()) }
    }

    /// The saved world, or `None` if the file does not exist.
    pub fn load(&self) -> anyhow::Result<Option<World>> {
        let shown = self.path.display();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading the state file {shown}")),
        };
        let remedy = || format!("the state file {shown} is damaged; move it away to start with a new one");
        let snapshot: Snapshot = serde_json::from_slice(&text).with_context(remedy)?;
        let world = World::restore(snapshot).map_err(|refusal| match refusal {
            Refusal::Impossible(why) => anyhow!(why),
            other => anyhow!("{other:?}"),
        });
        world.map(Some).with_context(remedy)
    }

    /// Replaces the file with the current world; a reader sees the old or the new state, never a mixture.
    pub fn save(&self, app: &App) -> anyhow::Result<()> {
        let _writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = app.with(|shared| shared.world.snapshot());
        let text = serde_json::to_vec(&snapshot).context("writing the state as JSON")?;
        let shown = self.path.display();
        let temporary = beside(&self.path);
        fs::write(&temporary, text).with_context(|| format!("writing {}", temporary.display()))?;
        fs::rename(&temporary, &self.path).with_context(|| format!("replacing the state file {shown}"))
    }

    /// Saves the world after each change, without end; prints a failure, and the next change tries again.
    pub async fn keep(self: Arc<Self>, app: Arc<App>) {
        loop {
            app.world_changed().await;
            tokio::time::sleep(GATHER).await;
            let (store, app) = (Arc::clone(&self), Arc::clone(&app));
            let saved = tokio::task::spawn_blocking(move || store.save(&app)).await;
            if let Ok(Err(error)) = saved {
                console::complain(&format!("cannot save the state: {error:#}"));
            }
        }
    }
}

/// A temporary name in the same folder, so that the rename stays within one file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}
