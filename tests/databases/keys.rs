//! `--store-key` on the command line, before anything is served.

use std::process::Output;

use tokio::process::Command;

use super::daemon::Postgres;

async fn mcp(database: &Postgres, arguments: &[&str]) -> Output {
    let mut command = Command::new(super::folder("MCP_BIN"));
    command.args(["serve", "demo", "--no-model", "--listen", "127.0.0.1:0"]).args(arguments);
    command.env_clear().env("HOME", "/nonexistent").env("POSTGRES", database.url());
    command.env("KEY", "the-secret-of-all-replicas").env("OTHER", "the-secret-of-others");
    command.kill_on_drop(true).output().await.unwrap()
}

fn refused(output: &Output, word: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(word), "{told}");
}

#[tokio::test]
async fn a_key_that_is_of_no_use_or_another_is_told_at_the_start() {
    let database = Postgres::start().await;
    for more in [&[][..], &["--check"]] {
        let lonely = [&["--store-key", "env:KEY"], more].concat();
        refused(&mcp(&database, &lonely).await, "--postgres");
    }
    let check = |key| ["--check", "--postgres", "env:POSTGRES", "--store-key", key];
    let checked = mcp(&database, &check("env:KEY")).await;
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    let login = ["--postgres", "env:POSTGRES", "--store-key", "env:KEY"];
    // Whoever comes first has the key, be it only to look who is logged in.
    let mut first = Command::new(super::folder("MCP_BIN"));
    first.args(["whoami", "https://mcp.example/mcp"]).args(login).env_clear();
    first.env("HOME", "/nonexistent").env("POSTGRES", database.url());
    first.env("KEY", "the-secret-of-all-replicas").output().await.unwrap();
    assert_eq!(mcp(&database, &check("env:KEY")).await.status.code(), Some(0));
    refused(&mcp(&database, &check("env:OTHER")).await, "not the secret of this database");
    let [_, begin @ ..] = check("env:OTHER");
    refused(&mcp(&database, &begin).await, "not the secret of this database");
    database.stop().await;
}
