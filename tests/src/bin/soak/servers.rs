//! The servers: children of the hub, and processes of their own behind HTTP and sockets.

use std::{net::TcpListener, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use mcp_client::{
    Backoff, Hub, HubOptions, StateKind,
    config::{ServerConfig, TransportConfig},
};
use tempfile::TempDir;
use tokio::{process::Command, task::JoinSet, time::sleep};

use super::{Arguments, random::Random};

/// Everything that runs.
pub(crate) struct World {
    pub(crate) hub: Hub,
    /// Those that can be well.
    good: Vec<String>,
    /// Those that never are, or not for long.
    broken: Vec<String>,
    /// Keep the processes behind HTTP and sockets running.
    _keepers: JoinSet<()>,
    _folder: TempDir,
}

impl World {
    pub(crate) fn start(arguments: &Arguments, random: &mut Random) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut keepers = JoinSet::new();
        let mut good = Vec::new();
        for number in 0..3 {
            good.push(child(&format!("demo-{number}"), &arguments.mcp, &["demo-server"]));
        }
        for number in 0..2 {
            good.push(child(&format!("plain-{number}"), &arguments.misbehave, &["ok"]));
        }
        for number in 0..2 {
            // Free now; nobody else on this machine is likely to take it meanwhile.
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let address = format!("127.0.0.1:{port}");
            let mut command = Command::new(&arguments.mcp);
            command.args(["demo-server", "--http", &address]);
            keepers.spawn(keep(command, Random::new(random.below(u64::MAX))));
            good.push(at(&format!("web-{number}"), format!("http://{address}/mcp")));
        }
        let own = std::env::current_exe().context("where this program is")?;
        for number in 0..2 {
            let path = folder.path().join(format!("{number}.sock"));
            let mut command = Command::new(&own);
            command.arg("--serve-socket").arg(&path);
            keepers.spawn(keep(command, Random::new(random.below(u64::MAX))));
            good.push(at(&format!("socket-{number}"), format!("unix://{}", path.display())));
        }
        let mut broken: Vec<_> = ["exit-at-once", "exit-mid-call", "ping-unanswered", "garbage"]
            .iter()
            .map(|fault| child(fault, &arguments.misbehave, &[fault]))
            .collect();
        broken.push(child("missing", Path::new("no-such-program-anywhere"), &[]));

        let mut options = HubOptions::default();
        options.keep_alive = Some(Duration::from_secs(1));
        options.startup_timeout = Duration::from_secs(10);
        options.shutdown_grace = Some(Duration::from_millis(500));
        options.client.call_timeout = Some(Duration::from_secs(2));
        options.restart =
            Some(Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) });
        let names = |all: &[ServerConfig]| all.iter().map(|one| one.name.clone()).collect();
        let (good_names, broken_names) = (names(&good), names(&broken));
        let hub = Hub::start(good.into_iter().chain(broken).collect(), &options);
        let world = Self {
            hub,
            good: good_names,
            broken: broken_names,
            _keepers: keepers,
            _folder: folder,
        };
        world.unsettle();
        Ok(world)
    }

    /// Lets the broken ones run.
    pub(crate) fn unsettle(&self) {
        for name in &self.broken {
            self.hub.enable(name, true);
        }
    }

    /// Ends the broken ones, and waits until the good ones are up.
    pub(crate) async fn is_well(&self) {
        let mut seen = 0;
        loop {
            // Again each time: what the churn has begun may switch them once more.
            for name in &self.broken {
                self.hub.enable(name, false);
            }
            for name in &self.good {
                self.hub.enable(name, true);
            }
            if self.missing().is_empty() {
                return;
            }
            seen = self.hub.changed_since(seen).await;
        }
    }

    /// What is not as it should be at a calm moment.
    fn missing(&self) -> Vec<String> {
        let wanted = |name: &str| {
            if self.good.iter().any(|good| good == name) {
                StateKind::Ready
            } else {
                StateKind::Disabled
            }
        };
        let status = self.hub.status();
        let wrong = status.iter().filter(|server| server.state.kind() != wanted(&server.name));
        wrong.map(|server| format!("{} is {}", server.name, server.state.kind())).collect()
    }

    pub(crate) fn trouble(&self) -> String {
        self.missing().join(", ")
    }

    pub(crate) async fn close(self) {
        self.hub.close().await;
    }
}

fn child(name: &str, program: &Path, arguments: &[&str]) -> ServerConfig {
    let transport = TransportConfig::Stdio {
        command: program.display().to_string(),
        args: arguments.iter().map(ToString::to_string).collect(),
        env: [].into(),
        cwd: None,
    };
    ServerConfig::new(name, transport)
}

fn at(name: &str, url: String) -> ServerConfig {
    ServerConfig::new(name, TransportConfig::Http { url, headers: [].into() })
}

/// Starts a process again whenever it ends, a little later.
async fn keep(mut command: Command, mut random: Random) {
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    loop {
        match command.spawn() {
            Ok(mut process) => {
                if let Err(error) = process.wait().await {
                    eprintln!("cannot wait for a server: {error}");
                }
            }
            Err(error) => eprintln!("cannot start a server: {error}"),
        }
        sleep(Duration::from_millis(random.below(500))).await;
    }
}
