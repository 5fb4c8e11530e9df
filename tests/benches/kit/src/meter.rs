//! Wall time of every operation, CPU time and memory of the process.

use anyhow::{Context, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

/// What was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// How many operations.
    pub operations: usize,
    /// How long they took together.
    pub wall_ns: u64,
    /// The median of one.
    pub p50_ns: u64,
    /// What 99 % of them stayed under.
    pub p99_ns: u64,
    /// CPU time of the process in user space.
    pub user_us: u64,
    /// CPU time of the process in the kernel.
    pub system_us: u64,
    /// The most memory that the process ever held.
    pub peak_rss_kib: u64,
    /// Memory per connection, where that is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_kib: Option<f64>,
}

/// Measures from when it was made.
#[derive(Debug)]
pub struct Meter {
    who: UsageWho,
    wall: Instant,
    cpu: Usage,
}

impl Meter {
    /// Starts to measure this process.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn start() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_SELF)
    }

    /// Starts to measure the child processes that will have ended when the measurement does.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn of_children() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> Result<Self> {
        Ok(Self { who, wall: Instant::now(), cpu: getrusage(who)? })
    }

    /// Ends the measurement of operations that took so long each.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn finish(self, mut laps: Vec<Duration>) -> Result<Report> {
        let cpu = getrusage(self.who)?;
        let wall = self.wall.elapsed();
        laps.sort_unstable();
        let rank = |percent: usize| {
            let at = (laps.len() * percent / 100).min(laps.len().saturating_sub(1));
            laps.get(at).copied().map_or(0, nanoseconds)
        };
        Ok(Report {
            operations: laps.len(),
            wall_ns: nanoseconds(wall),
            p50_ns: rank(50),
            p99_ns: rank(99),
            user_us: microseconds(cpu.user_time()) - microseconds(self.cpu.user_time()),
            system_us: microseconds(cpu.system_time()) - microseconds(self.cpu.system_time()),
            peak_rss_kib: peak_rss_kib()?,
            connection_kib: None,
        })
    }
}

impl Report {
    /// Prints the line that `xtask` reads.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    #[expect(clippy::print_stdout, reason = "what a contender is asked for")]
    pub fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// The most memory that this program ever held. Unlike `getrusage`, without what the process held
/// before it became this program.
///
/// # Errors
/// The system does not tell.
pub fn peak_rss_kib() -> Result<u64> {
    status("VmHWM:")
}

/// The memory that this program holds.
pub(crate) fn rss_kib() -> Result<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("/proc/self/status has no {field}"))
}

fn microseconds(time: nix::sys::time::TimeVal) -> u64 {
    // Times of a process are not negative.
    (time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
