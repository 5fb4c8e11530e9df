//! A store in a folder: one sealed file per entry, readable by this user only.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use mcp_transport::BoxFuture;
use ring::digest::{SHA256, digest};
use tokio::time::{Instant, sleep};

use super::{
    StoreEntry, StoreLock, TokenStore, TokenStoreError,
    private_file::{create_folder, for_owner_only, read_if_there, replace},
    seal::{KEY_BYTES, SealingKey},
};
use crate::Secret;

/// How long to wait for another process; it holds the lock for one token request.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Keeps secrets in a folder, across processes.
///
/// Every file is sealed (ChaCha20-Poly1305) and on Unix readable by its user only; it is replaced
/// as a whole, so that a crash leaves the old or the new one. The sealing key comes from
/// [`open`](Self::open) or from elsewhere.
///
/// ```no_run
/// use mcp_client::oauth::FileTokenStore;
///
/// let store = FileTokenStore::open("/home/me/.local/state/my-client/tokens");
/// ```
#[derive(Clone)]
pub struct FileTokenStore(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    origin: KeyOrigin,
    key: OnceLock<SealingKey>,
}

/// Where the sealing key is kept.
enum KeyOrigin {
    /// In a file of the folder.
    File,
    /// With whoever made the store.
    Given([u8; KEY_BYTES]),
    /// In the system's keychain, under this name.
    #[cfg(feature = "keychain")]
    Keychain(String),
}

impl FileTokenStore {
    /// A store whose sealing key lies beside the sealed files, in a file of its own. This keeps
    /// the secrets from other users, from backups of single files and from a look over the
    /// shoulder; it does not keep them from programs that run as the same user. Nothing is read or
    /// made before the first use.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self::new(folder.into(), KeyOrigin::File)
    }

    /// A store whose sealing key is kept elsewhere, such as in a vault.
    pub fn with_key(folder: impl Into<PathBuf>, key: [u8; 32]) -> Self {
        Self::new(folder.into(), KeyOrigin::Given(key))
    }

    /// A store whose sealing key is in the keychain of the operating system, under the name of the
    /// program. Other programs of the same user then need the user's leave, where the system
    /// tells programs apart.
    #[cfg(feature = "keychain")]
    pub fn in_keychain(folder: impl Into<PathBuf>, service: impl Into<String>) -> Self {
        Self::new(folder.into(), KeyOrigin::Keychain(service.into()))
    }

    fn new(folder: PathBuf, origin: KeyOrigin) -> Self {
        Self(Arc::new(Inner { folder, origin, key: OnceLock::new() }))
    }

    /// Runs file work where it may block.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, TokenStoreError> + Send + 'static,
    ) -> Result<T, TokenStoreError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.map_err(|error| TokenStoreError::Failed(error.into()))?
    }
}

impl Inner {
    fn path(&self, entry: &StoreEntry, extension: &str) -> PathBuf {
        let hash = digest(&SHA256, entry.name().as_bytes());
        let half = hash.as_ref().first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        let name = format!("{half:032x}");
        self.folder.join(name).with_extension(extension)
    }

    fn key(&self) -> Result<&SealingKey, TokenStoreError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = match &self.origin {
            KeyOrigin::Given(key) => *key,
            KeyOrigin::File => self.alone(Self::key_of_file)?,
            #[cfg(feature = "keychain")]
            KeyOrigin::Keychain(service) => {
                self.alone(|_| super::keychain::sealing_key(service))?
            }
        };
        let key = SealingKey::new(&key)?;
        Ok(self.key.get_or_init(|| key))
    }

    /// Keeps other processes from making another key meanwhile.
    fn alone<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, TokenStoreError>,
    ) -> Result<T, TokenStoreError> {
        create_folder(&self.folder)?;
        let path = self.folder.join("key.lock");
        let lock = open_lock(&path)?;
        lock.lock().map_err(|source| file_error(&path, source))?;
        work(self)
    }

    /// The key of the folder; made when there is none.
    fn key_of_file(&self) -> Result<[u8; KEY_BYTES], TokenStoreError> {
        let path = self.folder.join("key");
        if let Some(bytes) = read_if_there(&path)? {
            return bytes.try_into().map_err(|_| TokenStoreError::BadKey { path });
        }
        let key = SealingKey::random()?;
        replace(&path, &key)?;
        Ok(key)
    }

    fn load(&self, entry: &StoreEntry) -> Result<Option<Secret>, TokenStoreError> {
        let path = self.path(entry, "sealed");
        let Some(sealed) = read_if_there(&path)? else { return Ok(None) };
        match self.key()?.open(&entry.name(), &sealed) {
            Some(text) => Ok(Some(text)),
            None => Err(TokenStoreError::Damaged { path }),
        }
    }

    fn save(&self, entry: &StoreEntry, value: &Secret) -> Result<(), TokenStoreError> {
        create_folder(&self.folder)?;
        let sealed = self.key()?.seal(&entry.name(), value)?;
        replace(&self.path(entry, "sealed"), &sealed)
    }

    fn remove(&self, entry: &StoreEntry) -> Result<(), TokenStoreError> {
        let path = self.path(entry, "sealed");
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(file_error(&path, source))
            }
            _ => Ok(()),
        }
    }
}

/// The file stays: whoever deleted it would let two processes lock two files of one name.
fn open_lock(path: &Path) -> Result<fs::File, TokenStoreError> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    for_owner_only(&mut options);
    options.open(path).map_err(|source| file_error(path, source))
}

pub(super) fn file_error(path: &Path, source: io::Error) -> TokenStoreError {
    TokenStoreError::File { path: path.to_owned(), source }
}

impl TokenStore for FileTokenStore {
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>> {
        let entry = entry.clone();
        Box::pin(self.aside(move |inner| inner.load(&entry)))
    }

    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        let (entry, value) = (entry.clone(), value.clone());
        Box::pin(self.aside(move |inner| inner.save(&entry, &value)))
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        let entry = entry.clone();
        Box::pin(self.aside(move |inner| inner.remove(&entry)))
    }

    fn lock<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<StoreLock, TokenStoreError>> {
        Box::pin(async {
            let path = self.0.path(entry, "lock");
            let file = self
                .aside({
                    let path = path.clone();
                    move |inner| create_folder(&inner.folder).and_then(|()| open_lock(&path))
                })
                .await?;
            let started = Instant::now();
            // A thread that waits in `lock` could not be called off.
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(StoreLock::new(file)),
                    Err(fs::TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                        sleep(LOCK_PAUSE).await;
                    }
                    Err(fs::TryLockError::WouldBlock) => {
                        return Err(TokenStoreError::Locked { after: LOCK_PATIENCE });
                    }
                    Err(fs::TryLockError::Error(source)) => return Err(file_error(&path, source)),
                }
            }
        })
    }
}

impl fmt::Debug for FileTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTokenStore").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
