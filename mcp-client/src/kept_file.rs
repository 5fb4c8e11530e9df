//! A JSON document in a private file that several processes change.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::private_file;

/// A file of what the user decided cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptFileError {
    /// It cannot be read or written.
    #[error("cannot use {}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written there. Nothing in it counts; move it away to begin anew.
    #[error("{} is damaged", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
}

/// The document; its default when there is no file.
pub(crate) fn read<T: DeserializeOwned + Default>(file: &Path) -> Result<T, KeptFileError> {
    let text = private_file::read_if_there(file).map_err(|source| unusable(file, source))?;
    let Some(text) = text else { return Ok(T::default()) };
    serde_json::from_slice(&text)
        .map_err(|source| KeptFileError::Damaged { file: file.to_owned(), source })
}

/// Changes the document. Other processes wait for their turn.
pub(crate) fn change<T, R>(
    file: &Path,
    change: impl FnOnce(&mut T) -> R,
) -> Result<R, KeptFileError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let failed = |source| unusable(file, source);
    if let Some(folder) = file.parent() {
        private_file::create_folder(folder).map_err(failed)?;
    }
    // Beside the file, which is replaced.
    let lock = lock(&file.with_extension("lock")).map_err(failed)?;
    let mut document = read(file)?;
    let result = change(&mut document);
    let text = serde_json::to_vec_pretty(&document).map_err(io::Error::other).map_err(failed)?;
    private_file::replace(file, &text).map_err(failed)?;
    drop(lock);
    Ok(result)
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    private_file::for_owner_only(&mut options);
    let file = options.open(path)?;
    file.lock()?;
    Ok(file)
}

fn unusable(file: &Path, source: io::Error) -> KeptFileError {
    KeptFileError::Unusable { file: file.to_owned(), source }
}
