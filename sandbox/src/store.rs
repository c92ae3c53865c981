//! Keeps the world in a file: read at the start, replaced as a whole soon after each change. No other module writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::app::App;
use crate::console;
use crate::world::{Refusal, Snapshot, World};

/// How long changes are gathered before they are written; a killed sandbox loses at most these.
const GATHER: Duration = Duration::from_millis(50);

/// The state file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// One writer at a time, each with a snapshot taken after the last one's: the newest state wins.
    writing: Mutex<()>,
}

impl Store {
    /// A store at `path`; nothing is read or written yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::new(()) }
    }

    /// The world that was kept, or `None` if there is no file yet.
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

    /// Replaces the file with the world as it is now; a reader sees the old or the new state, never a mixture.
    pub fn save(&self, app: &App) -> anyhow::Result<()> {
        let _writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = app.with(|shared| shared.world.snapshot());
        let text = serde_json::to_vec(&snapshot).context("writing the state as JSON")?;
        let shown = self.path.display();
        let temporary = beside(&self.path);
        fs::write(&temporary, text).with_context(|| format!("writing {}", temporary.display()))?;
        fs::rename(&temporary, &self.path).with_context(|| format!("replacing the state file {shown}"))
    }

    /// Saves after changes, for ever; a failure is reported and the next change tries again.
    pub async fn keep(self: Arc<Self>, app: Arc<App>) {
        loop {
            app.world_changed().await;
            tokio::time::sleep(GATHER).await;
            let (store, app) = (Arc::clone(&self), Arc::clone(&app));
            let saved = tokio::task::spawn_blocking(move || store.save(&app)).await;
            if let Ok(Err(error)) = saved {
                console::complain(&format!("state not saved: {error:#}"));
            }
        }
    }
}

/// A name in the same folder, so that the rename stays within one file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}
