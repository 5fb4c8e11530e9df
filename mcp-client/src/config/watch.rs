//! Hears when configuration files change.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
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
    /// What the files are called, and those behind links.
    names: Names,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

type Names = Arc<Mutex<BTreeSet<OsString>>>;

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
        let (bell, names) = (Arc::clone(&stirred), Names::default());
        let ours = Arc::clone(&names);
        let heard = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if !concerns(&event, &ours) => {}
            // After an error, such as lost events, it is best to look.
            Ok(_) | Err(_) => bell.notify_one(),
        };
        let watcher = notify::recommended_watcher(heard).map_err(|source| WatchError {
            folder: files.first().cloned().unwrap_or_default(),
            source,
        })?;
        let mut watch =
            Self { seen: Vec::new(), files, stirred, names, watcher, watched: BTreeSet::new() };
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
            // A link may lead elsewhere now, to the same content as yet.
            self.follow()?;
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
        let places: Vec<_> = places.flatten().collect();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) =
            places.iter().filter_map(|place| place.file_name().map(ToOwned::to_owned)).collect();
        let folders: BTreeSet<PathBuf> =
            places.iter().filter_map(|place| place.parent().map(Path::to_owned)).collect();
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

/// Whether an event may be a change of a file that is watched. What is written into another one, such
/// as a log in the same folder, is none; another one that comes, goes or is renamed may be a link on
/// the way to it.
fn concerns(event: &notify::Event, names: &Mutex<BTreeSet<OsString>>) -> bool {
    match event.kind {
        // Looking at a file is no change of it.
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Name(_)) => true,
        EventKind::Modify(_) => {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let is_ours =
                |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
            event.paths.is_empty() || event.paths.iter().any(is_ours)
        }
        _ => true,
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

#[cfg(test)]
mod tests {
    use notify::{
        Event,
        event::{CreateKind, DataChange, RenameMode},
    };

    use super::*;

    #[test]
    fn a_log_beside_a_configuration_is_no_change_of_it() {
        let names = Mutex::new(BTreeSet::from([OsString::from("servers.json")]));
        let heard = |kind, name: &str| {
            concerns(&Event::new(kind).add_path(Path::new("/etc/mcp").join(name)), &names)
        };
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert!(heard(written, "servers.json"));
        assert!(!heard(written, "audit.jsonl"));
        assert!(heard(EventKind::Modify(ModifyKind::Name(RenameMode::To)), "..data"));
        assert!(heard(EventKind::Create(CreateKind::Any), "..data"));
        assert!(concerns(&Event::new(written), &names));
    }
}
