//! The engine: llama.cpp with its HTTP server, as a prebuilt Python wheel in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Newer builds parse this model's tool calls worse: 8 of 20 right instead of 19.
pub(super) const PACKAGE: &str = "xllamacpp==0.2.12";
/// Download size of the wheel.
pub(super) const BYTES: u64 = 19_900_000;
/// Of the wheel for x86-64 Linux; elsewhere the pinned version has to do.
const SHA256: &str = "4ec53f396692de999fdcd1b91eb03c14f47041099e6c6d103b5a4cbe1b23159f";
/// Names the package inside `py/` once it is completely installed.
const STAMP: &str = "py/.installed";

pub(super) fn present(dir: &Path) -> bool {
    fs::read_to_string(dir.join(STAMP)).is_ok_and(|stamp| stamp == PACKAGE)
}

pub(super) fn install(python: &Path, dir: &Path) -> Result<()> {
    if present(dir) {
        return Ok(());
    }
    let (py, new) = (dir.join("py"), dir.join("py.new"));
    for stale in [&py, &new] {
        if stale.exists() {
            fs::remove_dir_all(stale)?;
        }
    }
    let pinned = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let hash = if pinned { format!(" --hash=sha256:{SHA256}") } else { String::new() };
    let requirements = dir.join("engine-requirements.txt");
    fs::write(&requirements, format!("{PACKAGE}{hash}\n"))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--target"])
        .arg(&new)
        .arg("--requirement")
        .arg(&requirements)
        .env("PIP_ROOT_USER_ACTION", "ignore");
    process::run(&mut pip).with_context(|| format!("cannot install {PACKAGE} from PyPI"))?;
    fs::remove_file(&requirements)?;
    fs::rename(&new, &py)?;
    fs::write(dir.join(STAMP), PACKAGE)?;
    Ok(())
}
