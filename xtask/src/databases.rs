//! Typed resources against real databases, through servers that others published; and replicas of
//! the service, which share some.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, tools};

/// Installs the servers, then runs test target `databases`, which starts `PostgreSQL` and Redis by
/// itself, in temporary folders. Arguments filter the tests by name.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    const REDIS: &str = "Install Redis (Debian: apt-get install redis-server).";
    process::require("redis-server", REDIS)?;
    process::require("redis-cli", REDIS)?;
    let postgres = postgres()?;
    let mcp = process::build("mcp-cli", "mcp", &["--features", "postgres redis"])?;
    let (peers, servers) = (tools::interop()?, tools::databases()?);
    let suite = ["test", "--package", "mcp-tests", "--features", "databases"];
    let mut test = process::cargo(suite);
    test.args(["--test", "databases", "--"]).args(filters);
    test.env("MCP_INTEROP_DIR", peers).env("MCP_DATABASES_DIR", servers);
    test.env("MCP_POSTGRES_BIN", postgres).env("MCP_BIN", mcp);
    process::run(&mut test)
}

/// The folder of its programs, which Debian does not put on the path.
fn postgres() -> Result<PathBuf> {
    const INSTALL: &str = "Install PostgreSQL (Debian: apt-get install postgresql).";
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    if let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") {
        for entry in entries {
            let entry = entry?;
            let folder = entry.path().join("bin");
            let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(version), true) = (version, folder.join("initdb").exists()) {
                versions.push((version, folder));
            }
        }
    }
    if let Some((_, newest)) = versions.into_iter().max() {
        return Ok(newest);
    }
    let initdb = process::require("initdb", INSTALL)?;
    Path::new(&initdb).parent().map(Path::to_path_buf).context(INSTALL)
}
