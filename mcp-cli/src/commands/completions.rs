//! `mcp completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{args::Cli, error_report::Result, exit_code::ExitCode, printer::Printer};

pub(super) fn run(shell: Shell, printer: &mut Printer) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcp", &mut script);
    printer.bytes(&script)?;
    Ok(ExitCode::Success)
}
