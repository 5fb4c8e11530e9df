//! The gateways: how each is started in front of a server, with all that it has switched on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{process, tools};

/// For gateways that ask for one.
pub(super) const TOKEN: &str = "a-token-for-the-bench-0123456789abcdef";

/// What is in front of a gateway and behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Sessions over HTTP on both sides.
    Http,
    /// Sessions over HTTP in front, one child process behind.
    Stdio,
    /// Revision 2026-07-28 over HTTP on both sides.
    Modern,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Http, Self::Stdio, Self::Modern];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP to HTTP",
            Self::Stdio => "HTTP to stdio",
            Self::Modern => "HTTP to HTTP, 2026-07-28",
        }
    }
}

/// How a gateway reaches the server behind it.
#[derive(Clone, Debug)]
pub(super) enum Upstream {
    Http { url: String },
    Stdio { program: PathBuf, args: Vec<String> },
}

/// What a gateway is told.
pub(super) struct Task<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) port: u16,
    /// For configuration files.
    pub(super) folder: &'a Path,
    pub(super) way: Way,
}

type Start = fn(&Gateway, &Task<'_>) -> Result<Command>;

/// One row of the table.
pub(super) struct Gateway {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// The program, or the folder that it needs.
    at: PathBuf,
    start: Start,
    /// Of its endpoint.
    pub(super) path: &'static str,
    pub(super) has_token: bool,
    pub(super) ways: &'static [Way],
    /// About how often slower it is, so that all take about as long.
    pub(super) slowness: usize,
    pub(super) is_ours: bool,
}

impl Gateway {
    pub(super) fn command(&self, task: &Task<'_>) -> Result<Command> {
        (self.start)(self, task)
    }

    /// Those of these names, all without any. For each other one that is not here: why.
    pub(super) fn named(wanted: &[String]) -> Result<(Vec<Self>, Vec<String>)> {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
        if let Some(unknown) = wanted.iter().find(|one| !MAKERS.iter().any(|(name, _)| name == one))
        {
            let known = MAKERS.map(|(name, _)| name).join(", ");
            bail!("no gateway is called `{unknown}`; there are {known}");
        }
        let (mut gateways, mut absent) = (Vec::new(), Vec::new());
        for (name, make) in MAKERS.iter().filter(|(name, _)| is_wanted(name)) {
            match make() {
                Ok(gateway) => gateways.push(gateway),
                Err(reason) if *name == OURS => return Err(reason),
                Err(reason) => {
                    eprintln!("bench: NOT MEASURED: {reason:#}");
                    absent.push(format!("{reason:#}"));
                }
            }
        }
        Ok((gateways, absent))
    }
}

/// The name of ours.
pub(super) const OURS: &str = "mcp serve";

type Maker = fn() -> Result<Gateway>;

const MAKERS: [(&str, Maker); 5] = [
    (OURS, mcp_serve),
    (MCP_PROXY_RUST, mcp_proxy_rust),
    (MCP_PROXY_NODE, mcp_proxy_node),
    (MCP_PROXY_PYTHON, mcp_proxy_python),
    (FASTMCP, fastmcp),
];
const MCP_PROXY_RUST: &str = "mcp-proxy (crates.io)";
const MCP_PROXY_NODE: &str = "mcp-proxy (npm)";
const MCP_PROXY_PYTHON: &str = "mcp-proxy (PyPI)";
const FASTMCP: &str = "FastMCP proxy";

fn mcp_serve() -> Result<Gateway> {
    Ok(Gateway {
        name: OURS,
        version: "of this tree; token, metrics, breaker, rate limit and audit on".to_owned(),
        at: process::build("mcp-cli", "mcp", &["--release"])?,
        start: ours,
        path: "/mcp",
        has_token: true,
        ways: &Way::ALL,
        slowness: 1,
        is_ours: true,
    })
}

fn ours(gateway: &Gateway, task: &Task<'_>) -> Result<Command> {
    let mut server = match task.upstream {
        Upstream::Http { url } => json!({"url": url}),
        Upstream::Stdio { program, args } => json!({"command": program, "args": args}),
    };
    server["protocolEra"] = Value::from(if task.way == Way::Modern { "modern" } else { "legacy" });
    let config = task.folder.join("servers.json");
    fs::write(&config, json!({"mcpServers": {"bench": server}}).to_string())?;
    // Apart from the configuration, as it is where a service is installed.
    let logs = task.folder.join("logs");
    fs::create_dir_all(&logs)?;
    let audit = logs.join("audit.jsonl");
    let mut command = Command::new(&gateway.at);
    command
        .args(["serve", "--no-model", "--token-env", "BENCH_TOKEN", "--listen"])
        .arg(format!("127.0.0.1:{}", task.port))
        .arg("--config")
        .arg(config)
        .arg("--audit")
        .arg(audit)
        .args(["--rate", "1000000/s", "--max-calls-at-once", "10000"])
        .env("BENCH_TOKEN", TOKEN);
    Ok(command)
}

fn mcp_proxy_rust() -> Result<Gateway> {
    let at = tools::cargo_gateway("mcp-proxy", "0.6.0")
        .context("mcp-proxy of crates.io, which could not be built")?;
    Ok(Gateway {
        name: MCP_PROXY_RUST,
        version: "0.6.0; token, metrics, breaker, rate limit and audit on".to_owned(),
        at,
        start: |gateway, task| {
            let backend = match task.upstream {
                Upstream::Http { url } => format!("transport = \"http\"\nurl = {url:?}\n"),
                Upstream::Stdio { program, args } => {
                    let program = program.display().to_string();
                    format!("transport = \"stdio\"\ncommand = {program:?}\nargs = {args:?}\n")
                }
            };
            let config = task.folder.join("proxy.toml");
            let text = format!(
                "[proxy]\nname = \"bench\"\nseparator = \"/\"\n\
                 [proxy.listen]\nhost = \"127.0.0.1\"\nport = {}\n\
                 [auth]\ntype = \"bearer\"\ntokens = [{TOKEN:?}]\n\
                 [observability]\naudit = true\n[observability.metrics]\nenabled = true\n\
                 [[backends]]\nname = \"bench\"\n{backend}\
                 [backends.circuit_breaker]\nfailure_rate_threshold = 0.5\nminimum_calls = 5\n\
                 wait_duration_seconds = 30\n\
                 [backends.rate_limit]\nrequests = 1000000\nperiod_seconds = 1\n",
                task.port
            );
            fs::write(&config, text)?;
            let mut command = Command::new(&gateway.at);
            command.arg("--config").arg(config);
            Ok(command)
        },
        path: "/",
        has_token: true,
        ways: &[Way::Http, Way::Stdio],
        slowness: 2,
        is_ours: false,
    })
}

fn mcp_proxy_node() -> Result<Gateway> {
    const MISSING: &str = "mcp-proxy of npm";
    let folder = tools::npm_gateways().context(MISSING)?;
    let node = process::require("node", "Install Node.js 20 or newer.").context(MISSING)?;
    let node_version = process::output(Command::new(node).arg("--version"))?;
    let lock: Value = serde_json::from_str(&fs::read_to_string(folder.join("package-lock.json"))?)?;
    let version = lock["packages"]["node_modules/mcp-proxy"]["version"].as_str();
    Ok(Gateway {
        name: MCP_PROXY_NODE,
        version: format!(
            "{}, node {}; no token, no limits",
            version.context("package-lock.json has no version of it")?,
            node_version.trim()
        ),
        at: folder.join("node_modules/.bin/mcp-proxy"),
        start: |gateway, task| {
            let mut command = Command::new(&gateway.at);
            command.args(["--host", "127.0.0.1", "--server", "stream", "--port"]);
            command.arg(task.port.to_string()).arg("--");
            with_child(&mut command, task)?;
            Ok(command)
        },
        path: "/mcp",
        has_token: false,
        ways: &[Way::Stdio],
        slowness: 20,
        is_ours: false,
    })
}

fn mcp_proxy_python() -> Result<Gateway> {
    let python = tools::python_gateways().context("mcp-proxy of PyPI")?;
    Ok(Gateway {
        name: MCP_PROXY_PYTHON,
        version: format!("{}; no token, no limits", python_version(&python, "mcp-proxy")?),
        at: python.with_file_name("mcp-proxy"),
        start: |gateway, task| {
            let mut command = Command::new(&gateway.at);
            command.args(["--host", "127.0.0.1", "--port"]).arg(task.port.to_string()).arg("--");
            with_child(&mut command, task)?;
            Ok(command)
        },
        path: "/mcp",
        has_token: false,
        ways: &[Way::Stdio],
        slowness: 40,
        is_ours: false,
    })
}

fn fastmcp() -> Result<Gateway> {
    let python = tools::python().context("FastMCP, which could not be installed")?;
    Ok(Gateway {
        name: FASTMCP,
        version: format!(
            "{}; one session behind it for all, no token, no limits",
            python_version(&python, "fastmcp")?
        ),
        at: python,
        start: |gateway, task| {
            let Upstream::Http { url } = task.upstream else { bail!("only over HTTP") };
            let mut command = Command::new(&gateway.at);
            command.arg(process::root().join("tests/benches/gateways/fastmcp_proxy.py"));
            command.arg(url).arg(task.port.to_string());
            Ok(command)
        },
        path: "/mcp",
        has_token: false,
        ways: &[Way::Http],
        slowness: 60,
        is_ours: false,
    })
}

fn with_child(command: &mut Command, task: &Task<'_>) -> Result<()> {
    let Upstream::Stdio { program, args } = task.upstream else { bail!("only over stdio") };
    command.arg(program).args(args);
    Ok(())
}

fn python_version(python: &Path, package: &str) -> Result<String> {
    let ask = format!(
        "import importlib.metadata as m, platform as p; \
         print(m.version({package:?}) + ', Python', p.python_version())"
    );
    Ok(process::output(Command::new(python).args(["-c", &ask]))?.trim().to_owned())
}
