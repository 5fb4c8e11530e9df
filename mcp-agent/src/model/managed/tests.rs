use std::{path::Path, sync::Arc};

use mcp_transport::http::HttpClient;
use serde_json::json;
use tempfile::TempDir;

use super::{ManagedError, Manifest, folder};

fn written(start: &serde_json::Value, ready_timeout_s: u64) -> (TempDir, Manifest) {
    let dir = tempfile::tempdir().unwrap();
    let text = json!({
        "name": "tiny", "size_bytes": 1, "license": "Apache-2.0", "source": "x", "sha256": "y",
        "start": start, "health": "/health", "ready_timeout_s": ready_timeout_s, "set_up": "z",
    });
    std::fs::write(dir.path().join("model.json"), text.to_string()).unwrap();
    let manifest = Manifest::read(dir.path()).unwrap().unwrap();
    (dir, manifest)
}

fn shell(script: &str) -> serde_json::Value {
    json!({"program": "sh", "args": ["-c", script, "{port}"], "env": {"A": "b"}})
}

async fn failure(script: &str, ready_timeout_s: u64) -> ManagedError {
    let (_dir, manifest) = written(&shell(script), ready_timeout_s);
    manifest.start(&Arc::new(HttpClient::new())).await.unwrap_err()
}

#[tokio::test]
async fn an_engine_that_ends_shows_its_last_words() {
    let error = failure("echo port $0, $A, key ${#MCP_MODEL_API_KEY} >&2; exit 3", 30).await;
    let text = error.to_string();
    assert!(text.starts_with("the model's engine ended at once\n  port "), "{text}");
    assert!(text.ends_with(", b, key 32"), "{text}");
}

#[tokio::test]
async fn an_engine_that_is_never_ready_is_ended() {
    let error = failure("echo $$ >&2; exec sleep 1000", 1).await;
    let ManagedError::NotReady { stderr, .. } = error else { panic!("{error:?}") };
    let process = Path::new("/proc").join(stderr.last().unwrap());
    for _ in 0..100 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} is still there", process.display());
}

#[tokio::test]
async fn an_engine_that_is_not_there() {
    let (_dir, manifest) = written(&json!({"program": "/no/such/engine"}), 1);
    let error = manifest.start(&Arc::new(HttpClient::new())).await.unwrap_err();
    assert!(matches!(error, ManagedError::Start(_)), "{error:?}");
}

#[test]
fn what_was_not_set_up_is_no_error_but_what_is_broken_is() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Manifest::read(dir.path()).unwrap().is_none());
    std::fs::write(dir.path().join("model.json"), "{}").unwrap();
    assert!(matches!(Manifest::read(dir.path()), Err(ManagedError::Malformed { .. })));
}

#[test]
fn folders() {
    let folder = |variables: &[(&str, &str)]| {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        folder(&lookup).map(|path| path.display().to_string())
    };
    let home = ("HOME", "/home/me");
    assert_eq!(folder(&[home]).unwrap(), "/home/me/.local/share/mcp/model");
    assert_eq!(folder(&[home, ("XDG_DATA_HOME", "/data")]).unwrap(), "/data/mcp/model");
    assert_eq!(
        folder(&[home, ("XDG_DATA_HOME", "relative")]).unwrap(),
        "/home/me/.local/share/mcp/model"
    );
    assert_eq!(folder(&[home, ("MCP_MODEL_DIR", "/m")]).unwrap(), "/m");
    assert_eq!(folder(&[]), None);
}
