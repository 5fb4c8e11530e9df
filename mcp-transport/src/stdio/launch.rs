//! Starts a program with its standard streams as pipes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, PipeReader, PipeWriter},
    path::PathBuf,
};

use rustix::process::Pid;

/// What to start, and nothing left to look up.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    /// The whole environment.
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) folder: Option<PathBuf>,
    #[cfg(all(target_os = "linux", feature = "sandbox"))]
    pub(super) confinement: Option<super::confinement::Confinement>,
}

/// A program that was started, in a process group of its own.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) stdin: PipeWriter,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

impl Launch {
    /// Starts it. On Linux it is killed when the calling *thread* ends.
    ///
    /// # Errors
    /// It does not run.
    pub(super) fn start(&self) -> io::Result<Launched> {
        let (child_stdin, stdin) = io::pipe()?;
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let streams = [child_stdin.into(), child_stdout.into(), child_stderr.into()];
        #[cfg(target_os = "linux")]
        let pid = super::shared_memory_child::start(self, streams)?;
        #[cfg(not(target_os = "linux"))]
        let pid = self.start_portably(streams)?;
        Ok(Launched { pid, stdin, stdout, stderr })
    }

    #[cfg(not(target_os = "linux"))]
    fn start_portably(
        &self,
        [stdin, stdout, stderr]: [std::os::fd::OwnedFd; 3],
    ) -> io::Result<Pid> {
        use std::{
            os::unix::process::CommandExt,
            process::{Command, Stdio},
        };
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        Ok(Pid::from_child(&command.spawn()?))
    }
}
