//! The arguments of `mcp plan`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LayerOptions, ModelChoice, ServerOptions};

#[derive(Debug, Subcommand)]
pub(crate) enum PlanAction {
    /// Run the steps of a plan, each as soon as what it needs is there
    ///
    /// Nothing runs before the whole plan was checked. The tools run without further questions: look
    /// at a plan that you did not write with --dry-run first.
    Run(PlanRunArgs),
    /// Have a model write a plan, and print it
    Make(PlanMakeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanRunArgs {
    /// The plan: JSON with `goal` and `steps`, each with `id`, `tool` and `arguments`
    pub(crate) file: PathBuf,
    /// Check the plan and show what would run, in which order
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where to keep what is done, so that the same command goes on after a failure
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// A server whose tools the plan uses; all configured ones when none is named
    #[arg(short, long = "server", value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) layers: LayerOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PlanMakeArgs {
    /// What is to be reached
    pub(crate) goal: String,
    /// A tool that the plan may use, such as `files.read*`; all when none is named
    #[arg(short = 'g', long = "tool", value_name = "GLOB")]
    pub(crate) tools: Vec<String>,
    /// A server whose tools the plan may use; all configured ones when none is named
    #[arg(short, long = "server", value_name = "TARGET")]
    pub(crate) servers: Vec<String>,
    /// The command of a server, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) model: ModelChoice,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
