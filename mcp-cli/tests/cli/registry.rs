//! `mcp search` and `mcp add`, with a registry that speaks the published API.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::sandbox::{Ended, Sandbox, run};

pub(crate) struct Registry {
    sandbox: Sandbox,
    pub(crate) url: String,
    server: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It does not end by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
        let mut command = sandbox.command("python3");
        command.arg(servers.join("registry.py")).arg(servers.join("registry.json"));
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { sandbox, url: url.trim().to_owned(), server }
    }

    fn mcp(&self, line: &str) -> Ended {
        let words = shell_words::split(line).unwrap();
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_mcp"));
        run(command.args(words).env("MCP_REGISTRY", &self.url))
    }

    fn config(&self) -> Value {
        let file = self.sandbox.path().join("home/.config/mcp/mcp.json");
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }
}

#[test]
fn servers_are_found_by_text_and_type() {
    let registry = Registry::new();
    let found = registry.mcp("search weather");
    assert_eq!(
        found.stdout,
        "io.github.acme/weather      1.1.0     http,npm      Forecasts for any place\n\
         io.github.acme/old-weather  0.1.0     oci           (deprecated) Forecasts of yesterday\n"
    );
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
    // What this type has stands on the last page only.
    let found = registry.mcp("search --type mcpb --json");
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["servers"][0]["name"], "io.github.acme/editor");
    assert_eq!((found["servers"].as_array().unwrap().len(), &found["more"]), (1, &json!(false)));
    let first = registry.mcp("search -n 3 -o raw");
    assert_eq!(
        first.stdout,
        "io.github.acme/weather\nio.github.acme/postgres\nio.github.acme/old-weather\n"
    );
    assert_eq!(first.stderr, "the first 3 servers; -n shows more\n");
    let all = registry.mcp("search acme/weather --all-versions -o raw");
    assert_eq!(all.stdout.lines().count(), 2);
    assert!(!registry.mcp("search helper").stdout.contains('\u{1b}'));
    assert_eq!(registry.mcp("search zzz").stderr, "no server matches\n");
    assert!(registry.mcp("search --health").stdout.contains("is well"));
    let older = format!("search postgres --registry {}/v0 -o raw", registry.url);
    assert_eq!(registry.mcp(&older).stdout, "io.github.acme/postgres\n");
}

#[test]
fn an_entry_becomes_a_server_of_the_configuration() {
    let registry = Registry::new();
    let short = registry.mcp("add io.github.acme/weather --type npm");
    assert_eq!(short.code, Some(2), "{}", short.stderr);
    assert_eq!(
        short.stderr,
        "error: `io.github.acme/weather` needs region\n  \
         is:    @acme/weather 1.1.0\n  \
         needs: region (eu|us) where to ask\n  \
         help:  --set region=…\n"
    );
    let dry = registry.mcp("add io.github.acme/weather --type npm --set region=eu --dry-run");
    assert!(dry.stdout.starts_with("would add weather in "), "{dry:?}");
    assert!(!registry.sandbox.path().join("home/.config/mcp/mcp.json").exists());
    let added = registry.mcp("add io.github.acme/weather --type npm --set region=eu");
    assert_eq!(
        added.stdout.lines().skip(1).collect::<Vec<_>>(),
        [
            "  runs    npx -y @acme/weather@1.1.0 --region eu",
            "  with    UNITS=celsius",
            "  with    WEATHER_KEY=${WEATHER_KEY}",
        ]
    );
    assert_eq!(added.stderr, "WEATHER_KEY is not set; `weather` needs it\n");
    let url = registry.mcp("add io.github.acme/weather --name remote --set region=us");
    assert_eq!(url.code, Some(0), "{}", url.stderr);
    assert!(url.stderr.contains("uses http; --type has also npm"), "{}", url.stderr);
    let old = registry.mcp("add io.github.acme/weather --at 1.0.0 --name older");
    assert_eq!(old.code, Some(0), "{}", old.stderr);
    let again = registry.mcp("add io.github.acme/weather --at 1.0.0 --name older");
    assert_eq!(again.code, Some(2), "{again:?}");
    assert_eq!(
        registry.config(),
        json!({"mcpServers": {
            "weather": {
                "command": "npx", "args": ["-y", "@acme/weather@1.1.0", "--region", "eu"],
                "env": {"UNITS": "celsius", "WEATHER_KEY": "${WEATHER_KEY}"},
                "description": "Forecasts for any place",
            },
            "remote": {
                "type": "http", "url": "https://us.weather.example/mcp",
                "headers": {"X-Key": "${REMOTE_X_KEY}"},
                "description": "Forecasts for any place",
            },
            "older": {
                "command": "npx", "args": ["-y", "@acme/weather@1.0.0"],
                "description": "Forecasts for any place",
            },
        }})
    );
    // The secret that is needed is named by whatever uses the entry.
    let tools = registry.mcp("tools weather");
    assert!(tools.stderr.contains("needs WEATHER_KEY, which is not set"), "{}", tools.stderr);
}

#[test]
fn what_cannot_be_added_says_why() {
    let registry = Registry::new();
    for (line, code, words) in [
        ("add io.github.acme/weather --set regoin=eu", 2, "it asks for region, X-Key"),
        ("add io.github.acme/weather --set region=moon", 2, "must be one of eu, us"),
        ("add io.github.acme/weather --type oci", 2, "there is http, npm"),
        ("add io.github.acme/editor", 2, "download https://github.com/acme/editor/"),
        ("add acme/weather", 2, "did you mean `io.github.acme/weather`"),
        ("add io.github.acme/gone", 2, "the registry has no server `io.github.acme/gone`"),
        ("add io.github.mallory/helper", 2, "looks like a variable"),
        ("search x --registry http://127.0.0.1:9", 4, "name another with --registry"),
        ("search x --registry http://registry.example", 2, "it must be https"),
    ] {
        let ended = registry.mcp(line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        assert!(ended.stderr.contains(words), "{line}: {}", ended.stderr);
    }
    assert!(!registry.sandbox.path().join("home/.config/mcp/mcp.json").exists());
    let old = registry.mcp("add io.github.acme/old-weather");
    assert!(old.stderr.contains("no longer kept up: use io.github.acme/weather"), "{old:?}");
}

/// Commands and addresses need no registry; what is added works.
#[test]
fn commands_and_addresses_are_added_to_any_file() {
    let sandbox = Sandbox::new();
    sandbox.write("app.jsonc", "{\n  // mine\n  \"servers\": {}\n}\n");
    let added = sandbox.shell("mcp add sums --config app.jsonc -e MODE=x -- python3 peer.py");
    assert_eq!(added.code, Some(0), "{added:?}");
    let text = fs::read_to_string(sandbox.path().join("app.jsonc")).unwrap();
    assert!(text.starts_with("{\n  // mine\n  \"servers\": {\n"), "{text}");
    let sum = sandbox.shell("mcp call sums.get-sum a=1 b=2 --config app.jsonc");
    assert_eq!((sum.code, sum.stdout.as_str()), (Some(0), "3\n"), "{sum:?}");
    let url = "mcp add https://h.example/mcp --config app.jsonc -H 'X-Key: ${KEY}' --name h --json";
    let url: Value = serde_json::from_str(&sandbox.shell(url).stdout).unwrap();
    let entry =
        json!({"type": "http", "url": "https://h.example/mcp", "headers": {"X-Key": "${env:KEY}"}});
    assert_eq!((&url["entry"], &url["unset"]), (&entry, &json!(["KEY"])));
}
