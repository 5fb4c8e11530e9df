//! `model.json`: what the model is and how to start its engine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::weights::Weights;

/// Whether the manifest at this path was written by this version of the set-up for these weights.
pub(super) fn describes(path: &Path, weights: &Weights) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let Ok(manifest) = serde_json::from_str::<Value>(&text) else { return false };
    manifest["sha256"] == weights.sha256 && manifest["set_up"] == fingerprint(weights)
}

/// The text of the manifest. In `start.args`, `{port}` stands for the port on 127.0.0.1.
pub(super) fn text(weights: &Weights, python: &Path, dir: &Path) -> Result<String> {
    let utf8 = |path: &Path| -> Result<String> {
        let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        Ok(text.to_owned())
    };
    let manifest = json!({
        "name": weights.name,
        "size_bytes": weights.bytes,
        "license": "Apache-2.0",
        "source": weights.url,
        "sha256": weights.sha256,
        "start": {
            "program": utf8(python)?,
            "args": [
                utf8(&dir.join("server.py"))?,
                "--model", utf8(&dir.join(weights.file))?,
                "--template", utf8(&dir.join("template.jinja"))?,
                "--port", "{port}",
            ],
            "env": {
                "PYTHONPATH": utf8(&dir.join("py"))?,
                // Spinning threads make generation up to 30 times slower on a busy machine.
                "OMP_WAIT_POLICY": "PASSIVE",
            },
        },
        "health": "/health",
        "ready_timeout_s": 120,
        "set_up": fingerprint(weights),
    });
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// Changes when the files that the set-up writes change (FNV-1a, which is stable across builds).
fn fingerprint(weights: &Weights) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in super::SERVER.bytes().chain(weights.template.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}
