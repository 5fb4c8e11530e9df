//! Hears when configuration files change.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long it must be quiet after a change: editors and package managers write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a change is waited out at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches the folders of configuration files, so that a file is still watched after an editor has
/// put another in its place, and is noticed when it appears.
pub struct ConfigWatch {
    files: Vec<PathBuf>,
    /// What the files held when they were looked at last.
    seen: Vec<Option<Vec<u8>>>,
    stirred: Arc<Notify>,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

/// Files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch {}", folder.display())]
pub struct WatchError {
    /// Where.
    pub folder: PathBuf,
    /// Why.
    #[source]
    pub source: notify::Error,
}

impl ConfigWatch {
    /// Begins to watch. What changes from now on is told by [`changed`](Self::changed).
    ///
    /// # Errors
    /// A file's folder does not exist, or the system watches no more folders.
    pub fn new<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Self, WatchError> {
        let files: Vec<PathBuf> = files.into_iter().map(|file| absolute(file.as_ref())).collect();
        let stirred = Arc::new(Notify::new());
        let bell = Arc::clone(&stirred);
        let heard = move |event: notify::Result<notify::Event>| match event {
            // Looking at a file is no change of it.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            // After an error, such as lost events, it is best to look.
            Ok(_) | Err(_) => bell.notify_one(),
        };
        let watcher = notify::recommended_watcher(heard).map_err(|source| WatchError {
            folder: files.first().cloned().unwrap_or_default(),
            source,
        })?;
        let mut watch =
            Self { seen: Vec::new(), files, stirred, watcher, watched: BTreeSet::new() };
        watch.follow()?;
        watch.seen = watch.look();
        Ok(watch)
    }

    /// Waits until the content of a file is another, or it appears or is gone, and then until it
    /// is quiet.
    ///
    /// # Errors
    /// A folder can no longer be watched, such as one that was removed.
    ///
    /// # Cancel safety
    /// No change is lost when the future is dropped.
    pub async fn changed(&mut self) -> Result<(), WatchError> {
        loop {
            let now = self.look();
            if now != self.seen {
                let seen = self.until_quiet(now).await;
                self.follow()?;
                self.seen = seen;
                return Ok(());
            }
            self.stirred.notified().await;
        }
    }

    async fn until_quiet(&self, mut now: Vec<Option<Vec<u8>>>) -> Vec<Option<Vec<u8>>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let quiet = (Instant::now() + QUIET).min(end);
            let stirred = timeout_at(quiet, self.stirred.notified()).await.is_ok();
            now = if stirred { self.look() } else { now };
            if !stirred || Instant::now() >= end {
                return now;
            }
        }
    }

    /// Watches the folders in which the files lie now, those behind links too.
    fn follow(&mut self) -> Result<(), WatchError> {
        let places = self.files.iter().flat_map(|file| [Some(file.clone()), real(file)]);
        let folders: BTreeSet<PathBuf> =
            places.flatten().filter_map(|place| place.parent().map(Path::to_owned)).collect();
        for gone in self.watched.difference(&folders) {
            // It may be gone altogether, which is as well.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in folders.difference(&self.watched) {
            self.watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(|source| WatchError { folder: folder.clone(), source })?;
        }
        self.watched = folders;
        Ok(())
    }

    /// A file that cannot be read is as one that is not there: whoever reads it says why.
    fn look(&self) -> Vec<Option<Vec<u8>>> {
        self.files.iter().map(|file| fs::read(file).ok()).collect()
    }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

fn real(file: &Path) -> Option<PathBuf> {
    let real: io::Result<PathBuf> = file.canonicalize();
    real.ok()
}

impl fmt::Debug for ConfigWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWatch").field("files", &self.files).finish_non_exhaustive()
    }
}
