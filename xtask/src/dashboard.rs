//! The service's dashboard in a real browser, in front of a real service.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, tools};

/// What the browser may be called.
const BROWSERS: &[&str] =
    &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Builds the command, and has a browser use its page. `--pictures DIR` keeps what was seen.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let pictures = match arguments {
        [] => None,
        [flag, folder] if flag == "--pictures" => Some(PathBuf::from(folder)),
        _ => bail!("the arguments are [--pictures DIR]"),
    };
    let browser = BROWSERS
        .iter()
        .find_map(|name| process::find(name))
        .context("no browser is on PATH. Install Chromium (Debian: apt-get install chromium).")?;
    let node = process::require("node", "Install Node.js 20.11 or newer (https://nodejs.org).")?;
    let scripts = tools::dashboard()?;
    let mcp = process::build("mcp-cli", "mcp", &[])?;
    let mut check = Command::new(node);
    check.arg(scripts.join("check.mjs")).arg(mcp).arg(browser);
    if let Some(pictures) = pictures {
        std::fs::create_dir_all(&pictures)?;
        check.arg(pictures);
    }
    process::run(check.current_dir(process::root()))
}
