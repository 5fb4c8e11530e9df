//! What somebody who logged in gave leave for, as replicas of the service find it in PostgreSQL.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Output, Stdio},
};

use mcp_client::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::daemon::Postgres;

/// Opens the address, and goes where it leads.
const BROWSER: &str = "#!/usr/bin/env python3
import sys, urllib.request
urllib.request.urlopen(sys.argv[1]).read()
";
const TOKEN: &str = "a token of sixteen or more";

/// A folder with a browser and a configuration, and a server in it that wants a login.
struct Mail {
    folder: TempDir,
    _server: Child,
}

impl Mail {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let browser = folder.path().join("browse");
        fs::write(&browser, BROWSER).unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../mcp-cli/tests/servers/login.py");
        let mut server = Command::new("python3");
        server.arg(script).stdout(Stdio::piped()).kill_on_drop(true);
        let mut server = server.spawn().unwrap();
        let url = first_line(&mut server).await;
        let config = json!({"mcpServers": {"mail": {"url": url}}});
        fs::write(folder.path().join("mail.json"), config.to_string()).unwrap();
        Self { folder, _server: server }
    }

    fn mcp(&self, database: &Postgres, arguments: &[&str]) -> Command {
        let mut command = Command::new(super::folder("MCP_BIN"));
        command
            .args(arguments)
            .args(["--config", "mail.json"])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("BROWSER", self.folder.path().join("browse"))
            .env("TOKEN", TOKEN)
            .env("KEY", "the-secret-of-all-replicas")
            .env("POSTGRES", database.url())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, database: &Postgres, arguments: &[&str]) -> Output {
        self.mcp(database, arguments).output().await.unwrap()
    }
}

async fn first_line(process: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    line.trim().to_owned()
}

#[tokio::test]
async fn a_login_is_there_for_every_replica_and_gone_when_somebody_logs_out() {
    let database = Postgres::start().await;
    let mail = Mail::start().await;
    let shared = ["mail", "--postgres", "env:POSTGRES", "--store-key", "env:KEY"];
    let with = |command| [&[command][..], &shared].concat();
    assert_eq!(mail.run(&database, &with("whoami")).await.status.code(), Some(3));
    let login = mail.run(&database, &with("login")).await;
    assert!(login.status.success(), "{login:?}");
    assert!(mail.run(&database, &with("whoami")).await.status.success());
    // The files of this user know nothing of it.
    assert_eq!(mail.run(&database, &["whoami", "mail"]).await.status.code(), Some(3));

    let serve = ["serve", "--listen", "127.0.0.1:0", "--no-model", "--no-pins", "-o", "json"];
    let serve = [&serve[..], &["--token-env", "TOKEN"], &shared[1..]].concat();
    let mut service = mail.mcp(&database, &serve).stdout(Stdio::piped()).spawn().unwrap();
    let told: Value = serde_json::from_str(&first_line(&mut service).await).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let client = Client::http(&url).bearer(TOKEN).connect().await.unwrap();
    let tools = client.list_tools().await.unwrap().items;
    assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["look"]);
    client.close().await;
    service.kill().await.unwrap();

    let logout = mail.run(&database, &with("logout")).await;
    assert!(logout.status.success(), "{logout:?}");
    assert_eq!(mail.run(&database, &with("whoami")).await.status.code(), Some(3));
    database.stop().await;
}
