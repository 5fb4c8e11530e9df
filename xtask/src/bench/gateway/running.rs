//! A gateway under way, and what the system says of its processes.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::stopwatch::Stopwatch;

const START: Duration = Duration::from_secs(60);

/// A gateway and all that it started. They end with this value.
pub(super) struct Running {
    child: Child,
    /// From the start of the process to its first connection.
    pub(super) start: Duration,
}

impl Running {
    /// Starts it on the first processor, and waits until it takes connections.
    pub(super) fn start(command: &Command, port: u16, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        pinned.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output).process_group(0);
        let what = process::show(command);
        let time = Stopwatch::start();
        let child = pinned.spawn().with_context(|| format!("cannot start {what}"))?;
        let mut running = Self { child, start: Duration::ZERO };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = log.display();
            if let Some(status) = running.child.try_wait()? {
                bail!("{what} ended with {status}; what it wrote: {log}");
            }
            if time.elapsed() > START {
                bail!("{what} does not listen; what it wrote: {log}");
            }
            sleep(Duration::from_millis(1));
        }
        running.start = time.elapsed();
        Ok(running)
    }

    /// What its processes used of the processor so far, in milliseconds.
    pub(super) fn cpu_ms(&self) -> Result<f64> {
        let ticks: u64 = self.processes()?.iter().map(|stat| stat.ticks).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few minutes at most")]
        let ticks = ticks as f64;
        // USER_HZ is 100 on all that Linux runs on, whatever the kernel counts with.
        Ok(ticks * 10.0)
    }

    /// The memory that its processes hold, in KiB.
    pub(super) fn memory_kib(&self) -> Result<u64> {
        let mut sum = 0;
        for stat in self.processes()? {
            let status = fs::read_to_string(format!("/proc/{}/status", stat.pid))?;
            let held = status.lines().find_map(|line| {
                line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
            });
            sum += held.unwrap_or(0);
        }
        Ok(sum)
    }

    /// The process and those that it started, and they.
    fn processes(&self) -> Result<Vec<Stat>> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // One that has just ended is none of them.
            if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && let Some(stat) = Stat::read(pid, &text)
            {
                all.push(stat);
            }
        }
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(all.iter().filter(|one| one.parent == parent).map(|one| one.pid));
            next += 1;
        }
        all.retain(|one| family.contains(&one.pid));
        Ok(all)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // Gone already is as good.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// A line of `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32, text: &str) -> Option<Self> {
        // The name in brackets may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { pid, parent, ticks: number(11)? + number(12)? })
    }
}

/// A port that nothing listens on just now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 99";
        let stat = Stat::read(42, text).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 42));
    }
}
