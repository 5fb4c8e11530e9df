//! `mcp serve`, asked by `mcp` itself.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use crate::sandbox::Sandbox;

/// Ended with the value.
pub(crate) struct Serving(pub(crate) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_is_one_mcp_server() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "-o", "json"];
    command.args(words).args(["--", "mcp", "demo-server"]).stdout(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let token = told["token"].as_str().unwrap();
    assert!(token.len() >= 40);
    let header = format!("Authorization: Bearer {token}");
    for era in ["auto", "legacy", "modern"] {
        let words = ["call", &url, "calculator", "expression=6*7", "--era", era, "-H", &header];
        let ended = sandbox.mcp(&words);
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{era}: {}", ended.stderr);
    }
    let ended = sandbox.mcp(&["call", &url, "calculator", "expression=6*7"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_threads_work_as_are_wanted() {
    let sandbox = Sandbox::new();
    for (wanted, workers) in [("1", 0), ("3", 3)] {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
        let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "--no-token", "-o", "json"];
        command.args(words).args(["--threads", wanted, "--", "mcp", "demo-server"]);
        let mut serving = Serving(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut told = String::new();
        BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let url = format!("{}/mcp", told["url"].as_str().unwrap());
        let ended = sandbox.mcp(&["call", &url, "calculator", "expression=6*7"]);
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{}", ended.stderr);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", serving.0.id())).unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        let found = names.filter(|name| name.as_ref().is_ok_and(|it| it.contains("tokio-rt")));
        assert_eq!(found.count(), workers, "--threads {wanted}");
    }
}

#[test]
fn a_service_speaks_over_standard_streams_too() {
    let words = ["call", "calculator", "expression=6*7", "--", "mcp", "serve", "--stdio", "--"];
    let words: Vec<_> = words.iter().copied().chain(["mcp", "demo-server"]).collect();
    let ended = Sandbox::new().mcp(&words);
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_served_is_said() {
    let sandbox = Sandbox::new();
    for (words, code, said) in [
        (vec!["serve", "--listen", "nowhere"], 2, "cannot listen at nowhere"),
        (vec!["serve", "--listen", "0.0.0.0:0", "--no-token", "--no-model"], 2, "--no-token"),
        (vec!["serve", "--token-env", "NOT_SET_ANYWHERE", "--listen", "127.0.0.1:0"], 2, "not set"),
    ] {
        let ended = sandbox.mcp(&words);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

/// What a service offers, by `SERVER.TOOL` or the like.
fn calculators(sandbox: &Sandbox, url: &str) -> usize {
    let ended = sandbox.mcp(&["tools", url, "-g", "*calculator", "-o", "raw"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.lines().count()
}

#[test]
fn a_service_heeds_changes_of_its_configuration() {
    let sandbox = Sandbox::new();
    let write = |names: &[&str]| sandbox.write_demos("mcp.json", names);
    write(&["one"]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "--no-token", "-o", "json"];
    command.args(words).args(["--config", "mcp.json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    assert_eq!(calculators(&sandbox, &url), 1);
    let mut news = BufReader::new(serving.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut next = |what: &str| {
        let line = news.find(|line| line.contains("configuration")).unwrap();
        assert!(line.contains(what), "{line}");
    };
    sandbox.write("mcp.json", "{");
    next("cannot be used, so the servers go on as they were");
    assert_eq!(calculators(&sandbox, &url), 1);
    write(&["one", "two"]);
    next("configuration: added two");
    assert_eq!(calculators(&sandbox, &url), 2);
    write(&["two"]);
    next("configuration: removed one");
    assert_eq!(calculators(&sandbox, &url), 1);
}

#[test]
fn keys_are_made_listed_and_removed() {
    let sandbox = Sandbox::new();
    let keys = |words: &[&str]| {
        let words: Vec<_> = ["serve", "keys"].iter().chain(words).copied().collect();
        sandbox.mcp(&words)
    };
    let added = keys(&["add", "ci", "--allow", "demo/calc*"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let key = added.stdout.trim().to_owned();
    assert!(key.starts_with("mcp_") && key.len() == 47, "{key}");
    assert_eq!(keys(&["add", "ci"]).code, Some(2));
    assert_eq!(keys(&["add", "boss", "--role", "admin"]).code, Some(0));
    let file = sandbox.path().join("home/.config/mcp/serve.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("sha256:") && !text.contains(&key), "{text}");
    let listed = keys(&["list"]);
    assert_eq!(
        listed.stdout, "ci    user      demo/calc*\nboss  admin     everything\n",
        "{}",
        listed.stderr
    );

    let explained = sandbox.mcp(&["serve", "--explain", "demo/clock", "--", "mcp", "demo-server"]);
    assert!(explained.stdout.contains("boss (admin): yes"), "{}", explained.stdout);
    assert!(
        explained.stdout.contains("ci (user): no, no pattern allows it"),
        "{}",
        explained.stdout
    );

    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    sandbox.write_demos("mcp.json", &["demo"]);
    let words = ["serve", "--listen", "127.0.0.1:0", "--no-model", "-o", "json"];
    command.args(words).args(["--config", "mcp.json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut told = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["token"].is_null(), "{told}");
    let url = format!("{}/mcp", told["url"].as_str().unwrap());
    let header = format!("Authorization: Bearer {key}");
    let tools = sandbox.mcp(&["tools", &url, "-H", &header, "-o", "raw"]);
    assert_eq!((tools.code, tools.stdout.lines().count()), (Some(0), 1), "{}", tools.stdout);
    let removed = keys(&["remove", "ci"]);
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    let mut news = BufReader::new(serving.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    news.find(|line| line.contains("who is let in was changed")).unwrap();
    assert_eq!(sandbox.mcp(&["tools", &url, "-H", &header]).code, Some(3));
    assert_eq!(keys(&["remove", "ci"]).code, Some(2));
}

#[test]
fn what_would_be_served_is_checked() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mcp.json",
        "{\"mcpServers\": {\n\"demo\": {\"command\": \"mcp\", \"args\": [\"demo-server\"]},\n\
         \"bad\": {\"url\": \"https://h/${NOT_SET_ANYWHERE}\"}\n}}",
    );
    let words = ["serve", "--check", "--config", "mcp.json"];
    let checked = sandbox.mcp(&words);
    assert_eq!(checked.code, Some(2), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("server  demo  stdio  served  mcp.json:2"),
        "{}",
        checked.stdout
    );
    let bad = checked.stdout.lines().find(|line| line.contains("bad")).unwrap();
    assert!(bad.contains("not served") && bad.ends_with("mcp.json:3"), "{bad}");
    // A program that is not there may be by the time of the start.
    sandbox.write(
        "mcp.json",
        r#"{"mcpServers": {"lost": {"command": "no-such-program-anywhere", "args": ["--pin", "4711"]},
            "off": {"command": "nor-this-one", "disabled": true}, "file": {"command": "./mcp.json"}}}"#,
    );
    let checked = sandbox.mcp(&words);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let told = &checked.stderr;
    assert!(told.contains("lost: cannot find the program `no-such-program-anywhere`"), "{told}");
    assert!(told.contains("file: ") && told.contains("not executable"), "{told}");
    assert!(!told.contains("nor-this-one") && !told.contains("4711"), "{told}");
    let json = sandbox.mcp(&[&words[..], &["-o", "json"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let lost =
        json["servers"].as_array().unwrap().iter().find(|one| one["name"] == "lost").unwrap();
    assert_eq!(lost["warnings"][0], "cannot find the program `no-such-program-anywhere`");
    sandbox.write("serve.toml", "[[key]]\nname = 'x'\n");
    let checked = sandbox.mcp(&["serve", "--check", "--settings", "serve.toml"]);
    assert_eq!(checked.code, Some(2), "{}", checked.stdout);
    assert!(checked.stderr.contains("serve.toml"), "{}", checked.stderr);
}

#[test]
fn a_sign_in_needs_its_secret_and_a_way_back() {
    let sandbox = Sandbox::new();
    sandbox.write("mcp.json", r#"{"mcpServers": {}}"#);
    let jwt = "[[jwt]]\nissuer = 'https://id.example'\naudience = ['x']\nclient_id = 'gateway'\n\
               grant = [{value = '*', role = 'user'}]\n";
    sandbox.write("serve.toml", jwt);
    let words = ["serve", "--check", "--config", "mcp.json", "--settings", "serve.toml"];
    let checked = sandbox.mcp(&words);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let line = "sign-in  https://id.example  client gateway  \
                redirect URI http://127.0.0.1:7777/connect/signed-in";
    assert!(checked.stdout.contains(line), "{}", checked.stdout);
    // Where others reach it, it has to know by which address.
    let wide = ["--listen", "0.0.0.0:0"];
    let checked = sandbox.mcp(&[&words[..], &wide].concat());
    assert_eq!(checked.code, Some(2), "{}", checked.stdout);
    assert!(checked.stdout.contains("to nobody: "), "{}", checked.stdout);
    let serve = [&["serve", "--no-model"][..], &words[2..], &wide].concat();
    let started = sandbox.mcp(&serve);
    assert_eq!(started.code, Some(2), "{}", started.stderr);
    assert!(started.stderr.contains("public_url"), "{}", started.stderr);
    sandbox.write("serve.toml", &format!("public_url = 'https://tools.example/'\n{jwt}"));
    let checked = sandbox.mcp(&[&words[..], &wide, &["-o", "json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    let back = &told["sign_in"][0]["redirect_uri"];
    assert_eq!(
        (back, &told["ok"]),
        (&"https://tools.example/connect/signed-in".into(), &true.into())
    );
    // A secret is the business of whoever serves, not of whoever changes the keys.
    sandbox.write("serve.toml", &format!("{jwt}client_secret_env = 'NOT_SET_ANYWHERE'\n"));
    for words in [&words[..], &[&["serve", "--no-model"][..], &words[2..]].concat()] {
        let refused = sandbox.mcp(words);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("NOT_SET_ANYWHERE"), "{}", refused.stderr);
    }
    let listed = sandbox.mcp(&["serve", "keys", "list", "--settings", "serve.toml"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
}
