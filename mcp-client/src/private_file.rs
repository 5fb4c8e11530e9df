//! Files that only their user reads, written as a whole or not at all.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    path::Path,
};

/// Makes a folder for this user alone, with those above it; an existing one stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file that is made will be for this user alone. On Windows the folder's rights decide, which
/// in a user's profile come to the same.
pub(crate) fn for_owner_only(options: &mut fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// The content; `None` when there is no such file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside the file and moves the new one over the old.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let id = RandomState::new().hash_one(std::process::id());
    let beside = path.with_extension(format!("{id:016x}.new"));
    let written = write_new(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| settle(path));
    if written.is_err()
        && let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %beside.display(), %error, "a left-over file cannot be removed");
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true);
    for_owner_only(&mut options);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    // Before the rename, or a power cut could leave an empty file in the old one's place.
    file.sync_all()
}

/// Makes the rename outlive a power cut, which would bring back what was replaced.
fn settle(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
