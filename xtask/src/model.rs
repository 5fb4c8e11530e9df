//! Sets up a real small language model that the command line can start by itself.
//!
//! Everything lands in one folder: the engine (`py/`), the weights (`NAME.gguf`), `server.py`,
//! `template.jinja`, and `model.json`, which says how to start the engine.

mod engine;
mod manifest;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{lock, process};
use weights::Weights;

const SERVER: &str = include_str!("model/server.py");

/// Sets up the model, or finds it set up.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut weights = &weights::LARGE;
    let mut dir = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--small" => weights = &weights::SMALL,
            "--dir" => dir = Some(PathBuf::from(rest.next().context("--dir needs a folder")?)),
            other => bail!("unknown argument `{other}`; usage: [--small] [--dir DIR]"),
        }
    }
    let dir = dir.map_or_else(folder, Ok)?;
    let manifest = set_up(weights, &dir)?;
    println!("{}", manifest.display());
    Ok(())
}

/// Sets up the model in its usual folder if there is none yet. Returns the manifest's path.
pub(crate) fn ensure() -> Result<PathBuf> {
    set_up(&weights::LARGE, &folder()?)
}

/// Whether the model is in its usual folder.
pub(crate) fn is_set_up() -> Result<bool> {
    Ok(folder()?.join("model.json").is_file())
}

/// `$MCP_MODEL_DIR`, else `mcp/model` in the user's data folder.
fn folder() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("MCP_MODEL_DIR") {
        return Ok(dir);
    }
    // A relative XDG_DATA_HOME is to be ignored, says the XDG specification.
    let data = set("XDG_DATA_HOME")
        .filter(|dir| dir.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .context("neither MCP_MODEL_DIR, XDG_DATA_HOME nor HOME is set; pass --dir")?;
    Ok(data.join("mcp/model"))
}

fn set_up(weights: &Weights, dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // The manifest holds absolute paths, so that it works from any directory.
    let dir = &dir.canonicalize()?;
    let _lock = lock::hold(dir)?;
    let manifest = dir.join("model.json");
    if weights.present(dir) && engine::present(dir) && manifest::describes(&manifest, weights) {
        eprintln!("model: {} is set up in {}", weights.name, dir.display());
        return Ok(manifest);
    }

    let python = python()?;
    announce(weights, dir);
    engine::install(&python, dir)?;
    weights.fetch(&python, dir)?;
    write(&dir.join("server.py"), SERVER)?;
    write(&dir.join("template.jinja"), weights.template)?;
    // Last, so that a manifest always describes a complete folder.
    write(&manifest, &manifest::text(weights, &python, dir)?)?;
    eprintln!("model: {} is ready", weights.name);
    Ok(manifest)
}

fn announce(weights: &Weights, dir: &Path) {
    eprintln!("model: setting up {} in {}", weights.name, dir.display());
    if !engine::present(dir) {
        eprintln!("model:   engine   {:>7}  {} (MIT)", megabytes(engine::BYTES), engine::PACKAGE);
    }
    if !weights.present(dir) {
        eprintln!(
            "model:   weights  {:>7}  {} (Apache-2.0)",
            megabytes(weights.bytes),
            weights.file
        );
    }
    eprintln!(
        "model: small enough for any laptop; a larger model, local or hosted, answers better."
    );
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// The real path of a Python that can install the engine (not a shim that looks at the directory).
fn python() -> Result<PathBuf> {
    const INSTALL: &str =
        "Install Python 3.10 or newer with pip (Debian: apt-get install python3-pip).";
    let program = process::require("python3", INSTALL)?;
    let mut query = std::process::Command::new(&program);
    query.args(["-c", "import pip, sys; print(sys.version_info >= (3, 10), sys.executable)"]);
    let answer = process::output(&mut query).context(INSTALL)?;
    match answer.trim().split_once(' ') {
        Some(("True", path)) => Ok(path.into()),
        _ => bail!("{} is too old. {INSTALL}", program.display()),
    }
}

/// Writes a file that appears whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, text).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
}
