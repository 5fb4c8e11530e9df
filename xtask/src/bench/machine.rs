//! When, where and with what a run was made.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// A list of conditions, in Markdown, with the contenders' names and versions.
pub(crate) fn describe(contenders: &[(&str, &str)], rounds: usize) -> Result<String> {
    let date = process::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let rustc = process::output(Command::new("rustc").arg("--version"))?;
    let tree = process::output(
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(process::root()),
    )?;
    let cpus = std::thread::available_parallelism()?.get();
    let versions: Vec<_> =
        contenders.iter().map(|(name, version)| format!("  - `{name}`: {version}")).collect();
    Ok(format!(
        "- {date}, tree {}, {rounds} rounds in turn, medians\n- {}, {cpus} CPUs, Linux {}, {}; load \
         average {} at the start\n- contenders:\n{}\n",
        tree.trim(),
        processor()?,
        read("/proc/sys/kernel/osrelease")?.trim(),
        rustc.trim(),
        read("/proc/loadavg")?.split(' ').next().unwrap_or_default(),
        versions.join("\n"),
        date = date.trim(),
    ))
}

fn processor() -> Result<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    Ok(name.map_or("unknown processor", |(_, name)| name.trim()).to_owned())
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}
