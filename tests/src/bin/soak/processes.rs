//! What the system knows of this process and its children.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result};
use tokio::process::Command;

/// The process ids of this process's children, those that ended and were not reaped included.
pub(crate) fn children() -> io::Result<Vec<u32>> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may be gone by now.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name in parentheses may hold anything; state and parent come after it.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        if fields.nth(1) == Some(&own) {
            found.push(pid);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Resident memory, in KiB.
pub(crate) fn memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("no VmRSS")?.parse().context("VmRSS is no number")
}

/// How many file descriptors are open.
pub(crate) fn descriptors() -> io::Result<usize> {
    // The folder that is being read is one itself.
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1))
}

/// How many threads run.
pub(crate) fn threads() -> io::Result<usize> {
    Ok(fs::read_dir(Path::new("/proc/self/task"))?.count())
}

/// Sends a signal such as `-STOP`. A process that is gone is no failure.
pub(crate) async fn signal(pid: u32, signal: &str) {
    let mut kill = Command::new("kill");
    kill.args([signal, &pid.to_string()]).stderr(std::process::Stdio::null());
    if let Err(error) = kill.status().await {
        eprintln!("cannot run kill: {error}");
    }
}
