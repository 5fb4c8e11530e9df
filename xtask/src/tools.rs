//! The pinned npm and Python packages of the tests, installed into folders that git ignores.
//!
//! Each folder carries a stamp with the lock files it was installed from; one that fits is left
//! as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{lock, process};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown argument `{unknown}`");
    }
    interop()?;
    conformance()?;
    databases()?;
    embeddings()?;
    openai()?;
    Ok(())
}

/// The peers of the interop matrix: a copy of `tests/interop` with `node_modules` and `venv` in it.
pub(crate) fn interop() -> Result<PathBuf> {
    let from = process::root().join("tests/interop");
    let to = process::root().join(".cache/interop");
    let node = process::require("node", "Install Node.js 20 or newer (https://nodejs.org).")?;
    let version = process::output(Command::new(node).arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major < 20) {
        bail!("node is {}; install Node.js 20 or newer (https://nodejs.org)", version.trim());
    }
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    venv(&from, &to)?;
    Ok(to)
}

/// The Python of the interop matrix, which has the SDK, without its peers in other languages.
pub(crate) fn python() -> Result<PathBuf> {
    let from = process::root().join("tests/interop");
    let to = process::root().join(".cache/interop");
    let _lock = lock::hold(&to)?;
    venv(&from, &to)?;
    Ok(to.join("venv/bin/python"))
}

/// The contenders of the benches in other languages: a copy of `tests/benches/peers` with
/// `node_modules` in it.
pub(crate) fn benches() -> Result<PathBuf> {
    let from = process::root().join("tests/benches/peers");
    let to = process::root().join(".cache/bench");
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    Ok(to)
}

/// Published servers in front of databases, in `node_modules` and `venv`. Theirs is another version
/// of the Python SDK than that of the interop matrix.
pub(crate) fn databases() -> Result<PathBuf> {
    let from = process::root().join("tests/databases");
    let to = process::root().join(".cache/databases");
    let _lock = lock::hold(&to)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    npm(&from, &to)?;
    venv(&from, &to)?;
    Ok(to)
}

/// A small model of embeddings with its server, in `venv`.
pub(crate) fn embeddings() -> Result<PathBuf> {
    let to = process::root().join(".cache/live");
    let _lock = lock::hold(&to)?;
    venv(&process::root().join("tests/live"), &to)?;
    Ok(to)
}

/// What checks `docs/deploy`, in `venv`.
pub(crate) fn deploy() -> Result<PathBuf> {
    let to = process::root().join(".cache/deploy");
    let _lock = lock::hold(&to)?;
    venv(&process::root().join("tests/deploy"), &to)?;
    Ok(to)
}

/// What drives the browser: a copy of `tests/dashboard` with `node_modules` in it.
pub(crate) fn dashboard() -> Result<PathBuf> {
    let from = process::root().join("tests/dashboard");
    let to = process::root().join(".cache/dashboard");
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    Ok(to)
}

/// Gateways on npm that the service is measured beside.
pub(crate) fn npm_gateways() -> Result<PathBuf> {
    let (from, to) = gateways();
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    Ok(to)
}

/// The Python that has gateways of PyPI, apart from the interop matrix, whose SDK they do not
/// share.
pub(crate) fn python_gateways() -> Result<PathBuf> {
    let (from, to) = gateways();
    let _lock = lock::hold(&to)?;
    venv(&from, &to)?;
    Ok(to.join("venv/bin/python"))
}

/// A gateway of crates.io, built as its authors publish it. That takes some minutes.
pub(crate) fn cargo_gateway(name: &str, version: &str) -> Result<PathBuf> {
    let (_, to) = gateways();
    let _lock = lock::hold(&to)?;
    let root = to.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        let mut install = process::cargo(["install", name, "--version", version, "--locked"]);
        process::run(install.arg("--root").arg(root))?;
    }
    Ok(program)
}

fn gateways() -> (PathBuf, PathBuf) {
    let root = process::root();
    (root.join("tests/benches/gateways"), root.join(".cache/gateways"))
}

/// The official clients of OpenAI's API, and schemathesis: a copy of `tests/openai` with
/// `node_modules` and `venv` in it.
pub(crate) fn openai() -> Result<PathBuf> {
    let from = process::root().join("tests/openai");
    let to = process::root().join(".cache/openai");
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    venv(&from, &to)?;
    Ok(to)
}

/// The official suite, with the Node 22 that it needs in `node_modules/.bin`.
pub(crate) fn conformance() -> Result<PathBuf> {
    let from = process::root().join("tests/conformance");
    let to = process::root().join(".cache/conformance");
    let _lock = lock::hold(&to)?;
    copy_files(&from, &to)?;
    npm(&from, &to)?;
    Ok(to)
}

/// The files directly in the folder. Module look-up starts where a script is, hence the copy.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn npm(from: &Path, to: &Path) -> Result<()> {
    let lock = fs::read_to_string(from.join("package-lock.json"))?;
    stamped(&to.join("node_modules/.installed"), &lock, || {
        let npm = process::require("npm", "Install npm (Debian: apt-get install npm).")?;
        let mut install = Command::new(npm);
        install
            .args(["ci", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"])
            .args(["--loglevel", "error"])
            .current_dir(to);
        process::run(&mut install)
    })
}

fn venv(from: &Path, to: &Path) -> Result<()> {
    let requirements = fs::read_to_string(from.join("requirements.txt"))?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    // Its programs name the folder that they were installed into.
    let venv = fs::canonicalize(to)?.join("venv");
    let stamp = venv.join(".installed");
    if !works(&venv) && stamp.exists() {
        eprintln!("{} was moved, or its Python is gone: it is made anew", venv.display());
        fs::remove_file(&stamp)?;
    }
    stamped(&stamp, &requirements, || {
        const INSTALL: &str =
            "Install Python 3.10 or newer (Debian: apt-get install python3 python3-venv).";
        let python = process::require("python3", INSTALL)?;
        let mut make = Command::new(python);
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        process::run(&mut make).context(INSTALL)?;
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(from.join("requirements.txt"));
        process::run(&mut pip)
    })
}

/// Whether the Python of an environment is there, and its programs are for this folder.
fn works(venv: &Path) -> bool {
    let python = venv.join("bin/python3");
    let Ok(pip) = fs::read_to_string(venv.join("bin/pip")) else { return false };
    let interpreter = pip.lines().next().and_then(|line| line.strip_prefix("#!"));
    // `exists` follows the link to the Python that the environment was made with.
    interpreter.is_some_and(|found| Path::new(found).starts_with(venv)) && python.exists()
}

/// Runs the installation unless the stamp says that just this was installed.
fn stamped(stamp: &Path, lock: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    install()?;
    fs::write(stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_was_moved_is_noticed() -> Result<()> {
        let root = std::env::temp_dir().join(format!("xtask-venv-{}", std::process::id()));
        let venv = root.join("venv");
        let bin = venv.join("bin");
        fs::create_dir_all(&bin)?;
        fs::write(bin.join("python3"), "")?;
        let outcome = (|| -> Result<()> {
            for (interpreter, is_good) in
                [(bin.join("python3"), true), (root.join("elsewhere/venv/bin/python3"), false)]
            {
                fs::write(bin.join("pip"), format!("#!{}\nimport sys\n", interpreter.display()))?;
                assert_eq!(works(&venv), is_good, "{}", interpreter.display());
            }
            fs::write(bin.join("pip"), format!("#!{}\n", bin.join("python3").display()))?;
            fs::remove_file(bin.join("python3"))?;
            assert!(!works(&venv));
            Ok(())
        })();
        fs::remove_dir_all(&root)?;
        outcome
    }
}
