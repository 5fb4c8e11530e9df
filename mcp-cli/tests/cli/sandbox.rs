//! A folder of its own for each test: no configuration, no secrets, no other test.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mcp"), folder.path().join("bin/mcp"))
            .unwrap();
        let sandbox = Self { folder };
        // Under a short name, as paths are shown.
        fs::copy(servers().join("peer.py"), sandbox.path().join("peer.py")).unwrap();
        let peer = "peer.py";
        sandbox.write(
            "servers.json",
            &format!(
                r#"{{"mcpServers": {{
    "ev": {{"command": "python3", "args": ["{peer}"]}},
    "pg": {{"command": "python3", "args": ["{peer}", "die"]}},
    "gone": {{"command": "/nowhere/no-such-program", "args": ["--stdio"]}},
    "odd": {{"command": "x", "url": "http://h"}},
    "unset": {{"command": "x", "env": {{"KEY": "${{NOT_SET_ANYWHERE}}"}}}}
}}}}
"#
            ),
        );
        sandbox.write(
            "one.json",
            &format!(r#"{{"mcpServers": {{"ev": {{"command": "python3", "args": ["{peer}"]}}}}}}"#),
        );
        sandbox
    }

    /// Puts a server of `tests/servers` into the folder.
    pub(crate) fn add_server(&self, name: &str) {
        fs::copy(servers().join(name), self.path().join(name)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Writes a configuration of demo servers.
    pub(crate) fn write_demos(&self, file: &str, names: &[&str]) {
        let entry =
            |name: &&str| format!(r#""{name}": {{"command": "mcp", "args": ["demo-server"]}}"#);
        let entries: Vec<_> = names.iter().map(entry).collect();
        self.write(file, &format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(", ")));
    }

    /// A command in this sandbox, with nothing on standard input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let inherited = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", format!("{}:{inherited}", self.path().join("bin").display()))
            .env("HOME", self.path().join("home"))
            .env("TMPDIR", self.path().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null());
        // Shims of version managers look for their own folder.
        for name in ["PYENV_ROOT", "PYENV_VERSION"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command
    }

    pub(crate) fn mcp(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(env!("CARGO_BIN_EXE_mcp"));
        run(command.args(arguments))
    }

    pub(crate) fn shell(&self, line: &str) -> Ended {
        run(self.command("sh").args(["-c", line]))
    }
}

pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
