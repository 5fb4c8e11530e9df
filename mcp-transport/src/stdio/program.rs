//! Finding the program of a child process.
//!
//! Done here rather than by the operating system so that an error can list the places.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::ConnectError;

/// A program that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The folder, when it is none of those in `PATH`. Scripts there need it in their own `PATH` to
    /// find their interpreters.
    pub(super) extra_folder: Option<PathBuf>,
}

/// Where to look.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// The value of `PATH`.
    pub(super) path: Option<&'a OsStr>,
    /// The user's home.
    pub(super) home: Option<&'a OsStr>,
    /// What a relative path with a `/` is relative to; `None` for this program's own folder.
    pub(super) cwd: Option<&'a Path>,
}

/// Where installers put programs without telling programs that were started from a desktop.
fn extra_folders(home: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    let own = home.into_iter().flat_map(|home| {
        [".local/bin", ".cargo/bin", ".bun/bin", ".deno/bin"]
            .map(|folder| Path::new(home).join(folder))
    });
    own.chain(["/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from))
}

/// Finds `program`: a path if it has a `/`, otherwise a name in the folders of `PATH` and then in
/// a few well-known others.
///
/// # Errors
/// It is nowhere, or only files that may not be executed have that name.
pub(super) fn find(program: &str, places: &Places<'_>) -> Result<Found, ConnectError> {
    if program.is_empty() || program.contains('\0') {
        return Err(ConnectError::InvalidSetting {
            setting: "command".to_owned(),
            reason: "it must be the name or the path of a program".to_owned(),
        });
    }
    let mut search = Search { program, searched: Vec::new(), forbidden: false };
    if program.contains('/') {
        let path = places.cwd.map_or_else(|| program.into(), |cwd| cwd.join(program));
        // The child changes its folder before it starts, so a relative path would go astray.
        let path = std::path::absolute(&path).unwrap_or(path);
        return match search.try_file(path) {
            Some(path) => Ok(Found { path, extra_folder: None }),
            None => Err(search.failed()),
        };
    }
    let in_path = places.path.into_iter().flat_map(env::split_paths);
    // An empty entry means the current folder; programs found there by accident are a risk.
    for folder in in_path.filter(|folder| folder.is_absolute()) {
        if let Some(path) = search.try_file(folder.join(program)) {
            return Ok(Found { path, extra_folder: None });
        }
    }
    for folder in extra_folders(places.home) {
        if let Some(path) = search.try_file(folder.join(program)) {
            return Ok(Found { path, extra_folder: Some(folder) });
        }
    }
    Err(search.failed())
}

struct Search<'a> {
    program: &'a str,
    searched: Vec<PathBuf>,
    forbidden: bool,
}

impl Search<'_> {
    fn try_file(&mut self, path: PathBuf) -> Option<PathBuf> {
        if self.searched.contains(&path) {
            return None;
        }
        if let Ok(metadata) = path.metadata()
            && metadata.is_file()
        {
            if metadata.permissions().mode() & 0o111 != 0 {
                return Some(path);
            }
            self.forbidden = true;
        }
        self.searched.push(path);
        None
    }

    fn failed(self) -> ConnectError {
        let program = self.program.to_owned();
        if self.forbidden {
            let source = io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file exists but is not executable",
            );
            return ConnectError::Spawn { program, source };
        }
        ConnectError::ProgramNotFound { program, searched: self.searched }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places<'a>(path: Option<&'a str>, home: Option<&'a Path>) -> Places<'a> {
        Places { path: path.map(OsStr::new), home: home.map(Path::as_os_str), cwd: None }
    }

    #[test]
    fn finds_by_name_and_by_path() {
        let found = find("sh", &places(Some("/nowhere:/bin"), None)).unwrap();
        assert_eq!(found, Found { path: "/bin/sh".into(), extra_folder: None });
        let found = find("/bin/sh", &places(None, None)).unwrap();
        assert_eq!(found.path, Path::new("/bin/sh"));
        let relative = Places { path: None, home: None, cwd: Some(Path::new("/bin")) };
        assert_eq!(find("./sh", &relative).unwrap().path, Path::new("/bin/sh"));
    }

    #[test]
    fn lists_where_it_looked() {
        let error = find("no-such-program", &places(Some("/a:/b:/a:relative:"), None)).unwrap_err();
        let ConnectError::ProgramNotFound { program, searched } = error else {
            panic!("{error:?}")
        };
        assert_eq!(program, "no-such-program");
        let searched: Vec<_> = searched.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            searched,
            [
                "/a/no-such-program",
                "/b/no-such-program",
                "/usr/local/bin/no-such-program",
                "/opt/homebrew/bin/no-such-program",
            ]
        );
    }

    #[test]
    fn looks_in_folders_of_installers() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".local/bin");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("some-server");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let places = places(Some("/nowhere"), Some(home.path()));

        let error = find("some-server", &places).unwrap_err();
        assert!(matches!(&error, ConnectError::Spawn { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied));

        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let found = find("some-server", &places).unwrap();
        assert_eq!(found, Found { path: file, extra_folder: Some(folder) });
    }

    #[test]
    fn refuses_an_empty_name() {
        assert!(matches!(find("", &places(None, None)), Err(ConnectError::InvalidSetting { .. })));
    }
}
