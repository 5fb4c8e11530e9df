//! What was found out about servers, remembered so that it need not be found out again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// Remembers which servers speak only revisions up to 2025-11-25, by their endpoints. It saves a
/// probe, and with servers that end or hang at an unknown message a whole process.
///
/// A verdict that turns out wrong is forgotten and the server is probed anew.
pub trait VerdictStore: fmt::Debug + Send + Sync + 'static {
    /// Whether the server is known to be one of those.
    fn is_legacy(&self, endpoint: &str) -> bool;

    /// Remembers or forgets that it is.
    fn remember(&self, endpoint: &str, is_legacy: bool);
}

/// For the life of the program; shared by all clients with the same options.
#[derive(Debug, Default)]
pub struct MemoryVerdicts(Mutex<BTreeSet<String>>);

impl VerdictStore for MemoryVerdicts {
    fn is_legacy(&self, endpoint: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(endpoint)
    }

    fn remember(&self, endpoint: &str, is_legacy: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_legacy {
            known.insert(endpoint.to_owned());
        } else {
            known.remove(endpoint);
        }
    }
}

/// How long a verdict in a file holds: servers get updates.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// In a file, for programs that are started again and again. A file that cannot be read or written
/// costs a probe and is reported to the log. Verdicts hold for a week.
#[derive(Debug)]
pub struct FileVerdicts {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    /// When each was found, in seconds since 1970.
    legacy: BTreeMap<String, u64>,
}

impl FileVerdicts {
    /// Keeps verdicts in this file. Its folder must exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self) -> io::Result<Known> {
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Known::default()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, known: &Known) -> io::Result<()> {
        let text = serde_json::to_vec(known).map_err(io::Error::other)?;
        // Other programs see the old file or the new one, never a part.
        let mut part = self.path.clone().into_os_string();
        part.push(format!(".{}", std::process::id()));
        fs::write(&part, text)?;
        fs::rename(&part, &self.path)
    }

    fn report(&self, error: &io::Error) {
        tracing::warn!(path = %self.path.display(), %error, "cannot keep what servers speak");
    }
}

impl VerdictStore for FileVerdicts {
    fn is_legacy(&self, endpoint: &str) -> bool {
        match self.read() {
            Ok(known) => known
                .legacy
                .get(endpoint)
                .is_some_and(|found| now().saturating_sub(*found) < KEPT.as_secs()),
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }

    fn remember(&self, endpoint: &str, is_legacy: bool) {
        // A broken file is written anew.
        let mut known = self.read().unwrap_or_default();
        let oldest = now().saturating_sub(KEPT.as_secs());
        known.legacy.retain(|_, found| *found > oldest);
        if is_legacy {
            known.legacy.insert(endpoint.to_owned(), now());
        } else if known.legacy.remove(endpoint).is_none() {
            return;
        }
        if let Err(error) = self.write(&known) {
            self.report(&error);
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_verdicts_for_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts.json");
        let store = FileVerdicts::new(&path);
        assert!(!store.is_legacy("a"));
        store.remember("a", true);
        store.remember("b", true);
        store.remember("b", false);
        let again = FileVerdicts::new(&path);
        assert!(again.is_legacy("a") && !again.is_legacy("b"));

        fs::write(&path, r#"{"legacy":{"a":12}}"#).unwrap();
        assert!(!again.is_legacy("a"), "too old");
        fs::write(&path, "broken").unwrap();
        assert!(!again.is_legacy("a"));
        again.remember("a", true);
        assert!(again.is_legacy("a"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
