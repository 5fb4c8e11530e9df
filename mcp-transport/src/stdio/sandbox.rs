//! What a child process may do less than its user.

#[cfg(all(target_os = "linux", feature = "sandbox"))]
use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};
use std::{path::PathBuf, time::Duration};

use crate::ConnectError;

/// Folders in which every program finds what it needs to run. What is not there is left out.
#[cfg(all(target_os = "linux", feature = "sandbox"))]
pub(super) const SYSTEM: &[&str] = &[
    "/bin",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/opt",
    "/proc",
    "/run/systemd/resolve",
    "/sbin",
    "/sys",
    "/usr",
];

/// Devices that give and take nothing of worth.
#[cfg(all(target_os = "linux", feature = "sandbox"))]
pub(super) const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Bounds around a child process and everything that it starts, kept by the Linux kernel.
///
/// The program starts in a folder of its own, which is its `HOME` and `TMPDIR` too. It may read and
/// write there, read where programs are installed (`/usr`, `/etc` and the like, its own folder of
/// programs), and reach nothing else: neither other files nor, unless [allowed](Self::network), any
/// network. It can gain no rights by programs that are set-uid.
///
/// # What this stops, and what not
/// It stops a server from reading keys, tokens and documents in the home folder, from writing
/// outside its folder, from signalling or tracing processes outside, and from talking to the
/// network and to local services when the network is closed.
///
/// It does not hide which files exist, what `/proc` says about other processes of the user, or what
/// the user may read under `/etc`. With the network open there is no limit to where it may send
/// what it can read, and sockets in the file system can be connected to. Nor does it stop
/// weaknesses of the kernel itself: against those a virtual machine helps.
///
/// A kernel that cannot keep a bound (Linux before 6.2, or without Landlock) refuses the start;
/// nothing runs with less protection than asked for. Other systems refuse all of it.
///
/// ```
/// use mcp_transport::stdio::{ChildCommand, Sandbox};
///
/// let server = ChildCommand::new("mcp-server-git")
///     .sandbox(Sandbox::in_folder("/var/lib/git-server").read("/home/me/project"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Sandbox {
    pub(super) folder: PathBuf,
    pub(super) readable: Vec<PathBuf>,
    pub(super) writable: Vec<PathBuf>,
    pub(super) network: bool,
    pub(super) memory_bytes: Option<u64>,
    pub(super) file_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) cpu_time: Option<Duration>,
}

impl Sandbox {
    /// A sandbox with this folder of its own, which is made if it is missing.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            readable: Vec::new(),
            writable: Vec::new(),
            network: false,
            memory_bytes: None,
            file_bytes: None,
            open_files: None,
            cpu_time: None,
        }
    }

    /// Lets it read and execute this file, or all in this folder.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.readable.push(path.into());
        self
    }

    /// Lets it read, write and execute this file, or all in this folder.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writable.push(path.into());
        self
    }

    /// Whether it may open sockets. Not unless this says so.
    pub fn network(mut self, open: bool) -> Self {
        self.network = open;
        self
    }

    /// How much memory each of its processes may map (`RLIMIT_AS`). Some runtimes, such as that of
    /// JavaScript, map far more than they use.
    pub fn memory_bytes(mut self, limit: u64) -> Self {
        self.memory_bytes = Some(limit);
        self
    }

    /// How large a file it may write (`RLIMIT_FSIZE`).
    pub fn file_bytes(mut self, limit: u64) -> Self {
        self.file_bytes = Some(limit);
        self
    }

    /// How many files each of its processes may have open (`RLIMIT_NOFILE`).
    pub fn open_files(mut self, limit: u64) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// How much processor time each of its processes may use in all, in whole seconds
    /// (`RLIMIT_CPU`).
    pub fn cpu_time(mut self, limit: Duration) -> Self {
        self.cpu_time = Some(limit);
        self
    }

    #[cfg(all(target_os = "linux", feature = "sandbox"))]
    /// Makes the folder, and the places of the environment that lead there. What the user set
    /// himself stays.
    pub(super) fn settle(
        &self,
        environment: &mut BTreeMap<OsString, OsString>,
        is_set: impl Fn(&str) -> bool,
    ) -> Result<PathBuf, ConnectError> {
        let folder = std::path::absolute(&self.folder)
            .and_then(|folder| make(&folder).map(|()| folder))
            .map_err(|error| {
                refused(format!("its folder {} cannot be made: {error}", self.folder.display()))
            })?;
        environment.retain(|name, _| {
            let base = name.to_str().is_some_and(|name| name.starts_with("XDG_"));
            !base || name.to_str().is_some_and(&is_set)
        });
        for name in ["HOME", "TMPDIR"] {
            if !is_set(name) {
                environment.insert(name.into(), folder.clone().into_os_string());
            }
        }
        Ok(folder)
    }
}

#[cfg(all(target_os = "linux", feature = "sandbox"))]
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The error for a sandbox that cannot be.
pub(super) fn refused(reason: impl Into<String>) -> ConnectError {
    ConnectError::InvalidSetting { setting: "sandbox".to_owned(), reason: reason.into() }
}
