//! What could leak, counted at one calm moment.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};
use tokio::runtime::Handle;

use super::{processes, slope};

/// The counts of one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    at: Duration,
    memory_kib: u64,
    descriptors: usize,
    tasks: usize,
    threads: usize,
    children: usize,
}

/// The share of samples at the beginning that do not count: allocator and pools fill up.
const WARM_UP: usize = 4;

impl Sample {
    pub(crate) const HEADER: &'static str =
        "   time    memory  files  tasks threads children  calls";

    pub(crate) fn take(at: Duration) -> Result<Self> {
        Ok(Self {
            at,
            memory_kib: processes::memory()?,
            descriptors: processes::descriptors()?,
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: processes::threads()?,
            children: processes::children()?.len(),
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5} s {:>5}.{} MB {:>6} {:>6} {:>7} {:>8}",
            self.at.as_secs(),
            self.memory_kib / 1024,
            self.memory_kib % 1024 * 10 / 1024,
            self.descriptors,
            self.tasks,
            self.threads,
            self.children
        )
    }
}

/// What is judged: its name, its values, and how much it may grow over the run whatever its size.
type Series = (&'static str, fn(&Sample) -> usize, f64);

const SERIES: [Series; 5] = [
    ("memory (KiB)", |sample| usize::try_from(sample.memory_kib).unwrap_or(usize::MAX), 3072.0),
    ("file descriptors", |sample| sample.descriptors, 8.0),
    ("tasks", |sample| sample.tasks, 3.0),
    ("threads", |sample| sample.threads, 2.0),
    ("children", |sample| sample.children, 0.9),
];

/// Fails if anything grows.
pub(crate) fn judge(samples: &[Sample]) -> Result<()> {
    let counted = &samples[samples.len() / WARM_UP..];
    let mut grown = Vec::new();
    for (name, value, slack) in SERIES {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let mut values: Vec<f64> = counted.iter().map(|sample| value(sample) as f64).collect();
        let growth = slope::growth(&values);
        let limit = slack.max(slope::median(&mut values) * 0.05);
        println!("{name:<17} grows by {growth:>8.1} over the run; the limit is {limit:.1}");
        if growth > limit {
            grown.push(name);
        }
    }
    if !grown.is_empty() {
        bail!("a slope in {}", grown.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: usize, leak: usize) -> Sample {
        let at = Duration::from_secs(number as u64);
        Sample {
            at,
            memory_kib: 20_000,
            descriptors: 40 + leak * number,
            tasks: 30,
            threads: 5,
            children: 9,
        }
    }

    #[test]
    fn a_leak_fails_the_run() {
        let judged = |leak| judge(&(0..20).map(|number| sample(number, leak)).collect::<Vec<_>>());
        judged(0).unwrap();
        assert_eq!(judged(1).unwrap_err().to_string(), "a slope in file descriptors");
    }
}
