//! Configuration files that change while servers work.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mcp_client::{
    Applied, Hub, HubOptions, Reloaded,
    config::{self, ConfigError, ConfigWatch, ToolApproval},
};
use serde_json::json;
use tokio::time::timeout;

use super::kinds;

/// Far longer than anything here takes.
const HANG: Duration = Duration::from_secs(60);

/// A configuration file in a folder of its own.
struct Site {
    folder: tempfile::TempDir,
    watch: ConfigWatch,
}

impl Site {
    fn new(servers: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mcp.json");
        fs::write(&file, text(servers)).unwrap();
        Self { watch: ConfigWatch::new([&file]).unwrap(), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("mcp.json")
    }

    /// Waits for the change and puts it in force.
    async fn reload(&mut self, hub: &Hub) -> Reloaded {
        timeout(HANG, self.watch.changed()).await.expect("is noticed").unwrap();
        let reloaded = hub.reload(read(&self.file())).await;
        hub.ready().await;
        reloaded
    }
}

fn read(file: &Path) -> Result<config::ConfigFile, ConfigError> {
    config::read_file(file, &|_| None)
}

fn text(servers: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_misbehave");
    let entries: serde_json::Map<_, _> = servers
        .iter()
        .map(|(name, fault)| ((*name).to_owned(), json!({"command": program, "args": [fault]})))
        .collect();
    json!({ "mcpServers": entries }).to_string()
}

fn applied(reloaded: Reloaded) -> Applied {
    match reloaded {
        Reloaded::Applied { applied, problems } => {
            assert_eq!(problems, []);
            applied
        }
        other => panic!("not applied: {other:?}"),
    }
}

#[tokio::test]
async fn an_editor_puts_another_file_in_its_place() {
    let mut site = Site::new(&[("kept", "ok"), ("changed", "ok"), ("gone", "ok")]);
    let hub = Hub::start(read(&site.file()).unwrap().servers, &HubOptions::default());
    hub.ready().await;
    let kept = hub.client("kept").unwrap();
    let call = kept.call_tool("slow", json!({"ms": 500}));
    let edit = async {
        // As vim does: a backup by renaming, then a new file, then the backup goes.
        let backup = site.folder.path().join("mcp.json~");
        fs::rename(site.file(), &backup).unwrap();
        fs::write(site.file(), text(&[("kept", "ok"), ("changed", "banner"), ("new", "ok")]))
            .unwrap();
        fs::remove_file(backup).unwrap();
        applied(site.reload(&hub).await)
    };
    let (result, done) = tokio::join!(async { call.await }, edit);
    assert_eq!(result.unwrap().content[0].as_text(), Some("ok"));
    assert_eq!((done.kept, done.replaced), (vec!["kept".into()], vec!["changed".into()]));
    assert_eq!((done.added, done.removed), (vec!["new".into()], vec!["gone".into()]));
    assert!(!kept.is_closed());
    // As others do: written beside, then renamed over. The new file is watched as the old one was.
    // What came from no file is left by it.
    hub.add(super::misbehaving("by-hand", "ok"));
    hub.ready().await;
    let beside = site.folder.path().join(".mcp.json.swp");
    fs::write(&beside, text(&[("kept", "ok")])).unwrap();
    fs::rename(beside, site.file()).unwrap();
    assert_eq!(applied(site.reload(&hub).await).removed, ["changed", "new"]);
    assert_eq!(kinds(&hub), ["kept ready", "by-hand ready"]);
    hub.close().await;
}

#[tokio::test]
async fn what_is_no_business_of_the_server_does_not_start_it_anew() {
    let mut site = Site::new(&[("one", "ok")]);
    let hub = Hub::start(read(&site.file()).unwrap().servers, &HubOptions::default());
    hub.ready().await;
    let (client, server) = (hub.client("one").unwrap(), hub.server("one").unwrap());
    assert_eq!(server.config().unwrap().tools.approval("good"), ToolApproval::Absent);
    let program = env!("CARGO_BIN_EXE_misbehave");
    let entry = |more: serde_json::Value| {
        let mut entry = json!({"command": program, "args": ["ok"]});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "mcpServers": { "one": entry } }).to_string()
    };
    fs::write(site.file(), entry(json!({"autoApprove": ["good"], "required": true}))).unwrap();
    assert_eq!(applied(site.reload(&hub).await).kept, ["one"]);
    let config = server.config().unwrap();
    assert_eq!(config.tools.approval("good"), ToolApproval::Named);
    assert!(config.required && !client.is_closed());
    // What the server must know is another matter.
    fs::write(site.file(), entry(json!({"autoApprove": ["good"], "timeout": 7}))).unwrap();
    assert_eq!(applied(site.reload(&hub).await).replaced, ["one"]);
    assert!(client.is_closed());
    hub.close().await;
}

#[tokio::test]
async fn a_broken_file_ends_nothing_and_says_where() {
    let mut site = Site::new(&[("one", "ok"), ("two", "ok")]);
    let hub = Hub::start(read(&site.file()).unwrap().servers, &HubOptions::default());
    hub.ready().await;
    let (one, two) = (hub.client("one").unwrap(), hub.client("two").unwrap());
    fs::write(site.file(), "{\n  \"mcpServers\": {\n    \"one\": {,\n").unwrap();
    let Reloaded::Kept(ConfigError::Malformed { origin, .. }) = site.reload(&hub).await else {
        panic!("not kept")
    };
    assert_eq!((origin.file, origin.line), (site.file(), 3));
    assert_eq!(kinds(&hub), ["one ready", "two ready"]);
    // One entry that cannot be used, which worked before, and one that never did.
    let program = env!("CARGO_BIN_EXE_misbehave");
    let text = json!({"mcpServers": {
        "one": {"command": program, "args": ["${NOT_SET}"]},
        "two": {"command": program, "args": ["ok"]},
        "three": {"command": program, "url": "https://h"},
    }});
    fs::write(site.file(), text.to_string()).unwrap();
    let Reloaded::Applied { applied, problems } = site.reload(&hub).await else {
        panic!("not applied")
    };
    assert_eq!((applied.kept.len(), problems.len()), (2, 2));
    assert!(!one.is_closed() && !two.is_closed());
    let mut now = kinds(&hub);
    now.sort();
    assert_eq!(now, ["one ready", "three not-configured", "two ready"]);
    // A trouble that lasts is shown once, and one that is over not at all.
    fs::write(site.file(), text.to_string().replace("https://h", "https://i")).unwrap();
    site.reload(&hub).await;
    assert_eq!(kinds(&hub).len(), 3);
    fs::write(site.file(), super::reloading::text(&[("two", "ok")])).unwrap();
    site.reload(&hub).await;
    assert_eq!(kinds(&hub), ["two ready"]);
    hub.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_appears_late_or_behind_a_link_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp.json");
    let mut watch = ConfigWatch::new([&file]).unwrap();
    let target = elsewhere.path().join("real.json");
    fs::write(&target, "1").unwrap();
    std::os::unix::fs::symlink(&target, &file).unwrap();
    timeout(HANG, watch.changed()).await.unwrap().unwrap();
    // Now where the link leads.
    fs::write(&target, "2").unwrap();
    timeout(HANG, watch.changed()).await.unwrap().unwrap();
    // What does not change a file is no change.
    fs::write(folder.path().join("other"), "x").unwrap();
    let next = timeout(Duration::from_millis(1), watch.changed());
    assert!(next.await.is_err());
}
