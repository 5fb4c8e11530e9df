//! PostgreSQL and Redis, each with its data in a temporary folder and nobody else's.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// A database that runs. It ends with the value, [`stop`](Self::stop) ends it in good order.
pub(crate) struct Daemon {
    child: Child,
    folder: TempDir,
    /// What it says.
    _output: JoinSet<()>,
}

impl Daemon {
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        self.child.wait().await.unwrap();
    }

    /// Sends a signal to it and then to its children, of which a stopped one makes no more.
    async fn signal_all(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let kill = async |ids: &[&str]| {
            let mut kill = Command::new("kill");
            kill.arg(signal).args(ids).stderr(Stdio::null()).status().await.unwrap().success()
        };
        assert!(kill(&[&id]).await);
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        for child in children.split_whitespace() {
            // It may have ended meanwhile.
            kill(&[child]).await;
        }
    }
}

pub(crate) struct Postgres(Daemon);

impl Postgres {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut make = unprivileged(program("initdb"), folder.path());
        make.arg("-D").arg(&data);
        make.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let outcome = make.output().await.unwrap();
        let reason = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.status.success(), "{reason}");
        let mut child = unprivileged(program("postgres"), folder.path())
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let output = wait_for(stderr, "ready to accept connections").await;
        Self(Daemon { child, folder, _output: output })
    }

    pub(crate) fn url(&self) -> String {
        let socket = self.0.folder.path().display();
        format!("postgresql://postgres@localhost/postgres?host={socket}")
    }

    /// Has it hang: it takes connections and does not answer.
    pub(crate) async fn freeze(&self) {
        self.0.signal_all("-STOP").await;
    }

    /// Has it go on.
    pub(crate) async fn thaw(&self) {
        self.0.signal_all("-CONT").await;
    }

    /// Runs statements as their owner, not through a server.
    pub(crate) async fn run(&self, sql: &str) {
        let ran = Command::new(program("psql"))
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-c", sql, "-h"])
            .arg(self.0.folder.path())
            .output()
            .await
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}

pub(crate) struct Redis {
    daemon: Daemon,
    port: u16,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = unprivileged("redis-server".to_owned(), folder.path())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let output = wait_for(stdout, "Ready to accept connections").await;
        Self { daemon: Daemon { child, folder, _output: output }, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Redis' own client.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &self.port.to_string()]).args(args).kill_on_drop(true);
        client
    }

    pub(crate) async fn stop(self) {
        self.daemon.stop().await;
    }
}

fn program(name: &str) -> String {
    super::folder("MCP_POSTGRES_BIN").join(name).to_str().unwrap().to_owned()
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: String, folder: &Path) -> Command {
    const NOBODY: u32 = 65534;
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    let owner = fs::metadata(folder).unwrap().uid();
    if owner == 0 {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    if owner == 0 || owner == NOBODY && fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Reads until a line holds these words; what comes later is read away.
async fn wait_for(output: impl AsyncRead + Unpin + Send + 'static, words: &str) -> JoinSet<()> {
    let mut lines = BufReader::new(output).lines();
    let mut heard = Vec::new();
    loop {
        let Some(line) = lines.next_line().await.unwrap() else {
            panic!("it ended: {}", heard.join("\n"));
        };
        if line.contains(words) {
            break;
        }
        heard.push(line);
    }
    let mut rest = JoinSet::new();
    rest.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    rest
}
