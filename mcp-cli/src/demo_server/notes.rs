//! Notes: small text files in one folder, which no name can lead out of.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The longest note.
const MAX_NOTE_BYTES: usize = 1 << 20;
/// The most notes.
const MAX_NOTES: usize = 1000;
/// The permissions of everybody but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The notes of one folder.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    folder: PathBuf,
}

/// Why a note cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoteError {
    #[error(
        "`{0}` cannot be the name of a note: use letters, digits, spaces and -_. and no dot first"
    )]
    Name(String),
    #[error("there is no note `{0}`")]
    Unknown(String),
    #[error("a note can hold {MAX_NOTE_BYTES} bytes at most")]
    TooLong,
    #[error("there can be {MAX_NOTES} notes at most")]
    TooMany,
    #[error("the folder {} belongs to somebody else or is open to others", .0.display())]
    Folder(PathBuf),
    #[error("cannot use the folder of the notes: {0}")]
    Io(#[from] io::Error),
}

impl Notes {
    /// Notes that outlive the process, in the folder where programs put what may be lost.
    pub(super) fn in_temporary_folder() -> Self {
        let user: String = env::var("USER")
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        Self::in_folder(env::temp_dir().join(format!("mcp-demo-notes-{user}")))
    }

    /// Notes in a folder, which is made when the first is written.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes a note, in place of an earlier one.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), NoteError> {
        let file = self.file(name)?;
        if text.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        make_private(&self.folder)?;
        self.check_folder()?;
        let is_new = fs::symlink_metadata(&file).is_err();
        if is_new && self.names()?.len() >= MAX_NOTES {
            return Err(NoteError::TooMany);
        }
        // Renaming replaces a link instead of following it, and a reader never sees half a note.
        let draft = self.folder.join(format!(".draft-{}", std::process::id()));
        fs::write(&draft, text)?;
        fs::rename(&draft, &file)?;
        Ok(())
    }

    /// Reads a note.
    pub(super) fn read(&self, name: &str) -> Result<String, NoteError> {
        let file = self.file(name)?;
        if self.exists()? && fs::symlink_metadata(&file).is_ok_and(|found| found.is_file()) {
            Ok(String::from_utf8_lossy(&fs::read(&file)?).into_owned())
        } else {
            Err(NoteError::Unknown(name.to_owned()))
        }
    }

    /// The names of all notes, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, NoteError> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && is_name(&name)
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn file(&self, name: &str) -> Result<PathBuf, NoteError> {
        if is_name(name) {
            Ok(self.folder.join(name))
        } else {
            Err(NoteError::Name(name.to_owned()))
        }
    }

    fn exists(&self) -> Result<bool, NoteError> {
        match fs::symlink_metadata(&self.folder) {
            Ok(_) => self.check_folder().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// In a folder for everybody, somebody else may have made ours first.
    #[cfg(unix)]
    fn check_folder(&self) -> Result<(), NoteError> {
        use std::os::unix::fs::MetadataExt as _;

        let found = fs::symlink_metadata(&self.folder)?;
        let private = found.is_dir() && found.mode() & OTHERS == 0;
        // The owner of a private folder alone can read it, except for one who may do anything.
        if private && fs::read_dir(&self.folder).is_ok() {
            Ok(())
        } else {
            Err(NoteError::Folder(self.folder.clone()))
        }
    }

    #[cfg(not(unix))]
    fn check_folder(&self) -> Result<(), NoteError> {
        if fs::symlink_metadata(&self.folder)?.is_dir() {
            Ok(())
        } else {
            Err(NoteError::Folder(self.folder.clone()))
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('.')
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.'))
}

/// Makes a folder that nobody else can look into.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_notes() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path().join("notes"));
        assert!(notes.names().unwrap().is_empty());
        notes.write("b.txt", "one").unwrap();
        notes.write("b.txt", "two").unwrap();
        notes.write("a list", "x").unwrap();
        assert_eq!(notes.names().unwrap(), ["a list", "b.txt"]);
        assert_eq!(notes.read("b.txt").unwrap(), "two");
        assert!(matches!(notes.read("c"), Err(NoteError::Unknown(_))));
        let long = "x".repeat(MAX_NOTE_BYTES + 1);
        assert!(matches!(notes.write("long", &long), Err(NoteError::TooLong)));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path().join("notes"));
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", ".hidden", " x", "a\0b"] {
            assert!(matches!(notes.write(name, "x"), Err(NoteError::Name(_))), "{name:?}");
            assert!(matches!(notes.read(name), Err(NoteError::Name(_))), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn follows_no_links_and_trusts_no_open_folder() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let notes = Notes::in_folder(folder.path().join("notes"));
        notes.write("a", "x").unwrap();
        symlink(&secret, folder.path().join("notes/link")).unwrap();
        assert!(matches!(notes.read("link"), Err(NoteError::Unknown(_))));
        notes.write("link", "mine").unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert_eq!(notes.read("link").unwrap(), "mine");

        fs::set_permissions(folder.path().join("notes"), fs::Permissions::from_mode(0o777))
            .unwrap();
        assert!(matches!(notes.write("a", "x"), Err(NoteError::Folder(_))));
        assert!(matches!(notes.read("a"), Err(NoteError::Folder(_))));
    }
}
