//! What a sandboxed child can do and what not, tried by real programs.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::{ConnectError, stdio::Sandbox};

/// A sandbox in a folder of its own, beside another folder with a secret in it.
struct Site {
    root: TempDir,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("outside")).unwrap();
        fs::write(root.path().join("outside/secret"), "s3cret\n").unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::in_folder(self.path("own"))
    }

    /// What a script writes to its standard error; `$0` is the folder outside.
    async fn run(&self, script: &str, sandbox: Sandbox) -> Vec<String> {
        let outside = self.path("outside").to_str().unwrap().to_owned();
        let server = shell(script).arg(outside).sandbox(sandbox).spawn().await.unwrap();
        closed(response(server.exchange(request(1, "test"))).await.unwrap_err()).stderr
    }
}

#[tokio::test]
async fn other_files_can_be_neither_read_nor_written() {
    let site = Site::new();
    let script = r#"
      exec >&2
      cat "$0/secret" 2>/dev/null || echo unread
      ls "$0" >/dev/null 2>&1 || echo unlisted
      (echo x >"$0/new") 2>/dev/null || echo unwritten
      rm "$0/secret" 2>/dev/null || echo unremoved
      cp /bin/true "$TMPDIR/own" && "$TMPDIR/own" && echo ran
      pwd; echo "$HOME"; echo "${XDG_RUNTIME_DIR-none}""#;
    let own = site.path("own").canonicalize().unwrap_or_else(|_| site.path("own"));
    let own = own.to_str().unwrap();
    assert_eq!(
        site.run(script, site.sandbox()).await,
        ["unread", "unlisted", "unwritten", "unremoved", "ran", own, own, "none"]
    );
    assert!(site.path("outside/secret").exists());
}

#[tokio::test]
async fn what_is_allowed_is_allowed_and_no_more() {
    let site = Site::new();
    let script = r#"
      exec >&2
      cat "$0/secret"
      (echo x >"$0/new") 2>/dev/null || echo unwritten"#;
    let readable = site.sandbox().read(site.path("outside"));
    assert_eq!(site.run(script, readable).await, ["s3cret", "unwritten"]);
    let writable = site.sandbox().write(site.path("outside"));
    assert_eq!(site.run(script, writable).await, ["s3cret"]);
    assert_eq!(fs::read_to_string(site.path("outside/new")).unwrap(), "x\n");
}

#[tokio::test]
async fn no_socket_can_be_made_until_the_network_is_open() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        r#"exec python3 -c '
import socket, sys
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
    try: socket.socket(family); print("made", file=sys.stderr)
    except PermissionError: print("refused", file=sys.stderr)
a, b = socket.socketpair(); print("pair", file=sys.stderr)
try: socket.create_connection(("127.0.0.1", {port}), 5); print("connected", file=sys.stderr)
except OSError: print("unconnected", file=sys.stderr)'"#
    );
    assert_eq!(
        site.run(&script, site.sandbox()).await,
        ["refused", "refused", "refused", "pair", "unconnected"]
    );
    assert_eq!(
        site.run(&script, site.sandbox().network(true)).await,
        ["made", "made", "made", "pair", "connected"]
    );
}

#[tokio::test]
async fn rights_and_resources_are_bounded() {
    let site = Site::new();
    let script = r#"
      exec >&2
      grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr '\t' ' '
      ulimit -n; ulimit -c; ulimit -t
      kill -0 "$PPID" 2>/dev/null || echo unsignalled"#;
    let sandbox = site.sandbox().open_files(64).cpu_time(Duration::from_secs(9));
    assert_eq!(
        site.run(script, sandbox).await,
        ["NoNewPrivs: 1", "Seccomp: 2", "64", "0", "9", "unsignalled"]
    );
    let script = r"(dd if=/dev/zero of=big bs=1024 count=64 2>/dev/null) || echo too large >&2";
    let lines = site.run(script, site.sandbox().file_bytes(4096)).await;
    // The shell may add a word about the signal.
    assert!(lines.iter().any(|line| line == "too large"), "{lines:?}");
    assert_eq!(fs::metadata(site.path("own/big")).unwrap().len(), 4096);
}

#[tokio::test]
async fn a_sandboxed_server_answers() {
    let site = Site::new();
    let server = shell(ECHO).sandbox(site.sandbox()).spawn().await.unwrap();
    assert_eq!(result(&server, 1).await, "{}");
    server.close().await;
}

#[tokio::test]
async fn a_place_that_does_not_exist_is_refused() {
    let site = Site::new();
    let sandbox = site.sandbox().read(site.path("missing"));
    let error = shell("").sandbox(sandbox).spawn().await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidSetting { setting, .. } if setting == "sandbox"));
}

#[tokio::test]
async fn variables_that_the_user_set_stay() {
    let site = Site::new();
    let command = shell(r#"echo "$HOME $XDG_CACHE_HOME" >&2"#)
        .env("HOME", "/elsewhere")
        .env("XDG_CACHE_HOME", "/cache")
        .sandbox(site.sandbox());
    let server = command.spawn().await.unwrap();
    let error = response(server.exchange(request(1, "test"))).await.unwrap_err();
    assert_eq!(closed(error).stderr, ["/elsewhere /cache"]);
}
