//! What each program's file means.

use std::{path::Path, time::Duration};

use mcp_transport::{http::Reach, stdio::Sandbox};

use super::{
    super::{
        ConfigError, ConfigFile, Dialect, TransportConfig, Variables, declare, export, parse,
        read_file,
    },
    declared,
};
use crate::config::ServerConfig;

fn lookup(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("s3cret".to_owned()),
        "HOST" => Some("api.example.com".to_owned()),
        _ => None,
    }
}

fn resolved(dialect: Dialect) -> ConfigFile {
    let inputs = |id: &str| (id == "api-key").then(|| "s3cret".to_owned());
    declared(dialect).resolve(&Variables::new(&lookup).inputs(&inputs).workspace("/src/app"))
}

/// One line for each server and each problem.
fn summary(file: &ConfigFile) -> Vec<String> {
    let pairs = |map: &std::collections::BTreeMap<String, crate::Secret>| {
        let pairs: Vec<_> =
            map.iter().map(|(key, value)| format!("{key}={}", value.reveal())).collect();
        pairs.join(",")
    };
    let line = |server: &ServerConfig| {
        let transport = match &server.transport {
            TransportConfig::Stdio { command, args, env, cwd } => {
                let cwd =
                    cwd.as_ref().map_or(String::new(), |cwd| format!(" in {}", cwd.display()));
                format!("{command} {} [{}]{cwd}", args.join(" "), pairs(env))
            }
            TransportConfig::Http { url, headers } => format!("{url} [{}]", pairs(headers)),
            TransportConfig::Sse { url, headers } => format!("sse {url} [{}]", pairs(headers)),
        };
        let off = if server.enabled { "" } else { " off" };
        format!("{}: {transport}{off}", server.name)
    };
    let problems = file.problems.iter().map(|one| format!("{}! {}", one.server, one.reason));
    file.servers.iter().map(line).chain(problems).collect()
}

#[test]
fn claude_code() {
    let file = resolved(Dialect::ClaudeCode);
    assert_eq!(
        summary(&file),
        [
            "files: npx -y @modelcontextprotocol/server-filesystem /tmp [K=s3cret,N=3]",
            "web: https://api.example.com/mcp [Authorization=Bearer s3cret] off",
            "old: sse https://api.example.com/sse []",
            "unset! is not configured: `headers.Authorization` needs TOKEN, which is not set",
        ]
    );
    assert_eq!(file.servers[0].origin.as_ref().unwrap().line, 3);
    assert_eq!(file.servers[1].call_timeout, Some(Duration::from_millis(1500)));
    assert!(!format!("{file:?}").contains("s3cret"));
}

#[test]
fn claude_desktop() {
    assert_eq!(
        summary(&resolved(Dialect::ClaudeDesktop)),
        ["memory: npx -y @modelcontextprotocol/server-memory []"]
    );
}

#[test]
fn cursor() {
    assert_eq!(
        summary(&resolved(Dialect::Cursor)),
        [
            "local: python /src/app/server.py [KEY=s3cret]",
            "remote: https://api.example.com/mcp [X-Key=s3cret]"
        ]
    );
    let oauth = declared(Dialect::Cursor).entry("remote").unwrap().oauth.clone().unwrap();
    assert_eq!(oauth.client_id.unwrap().as_text(), Some("abc"));
    assert_eq!(oauth.scopes, ["read", "write"]);
}

#[test]
fn vs_code() {
    assert_eq!(
        summary(&resolved(Dialect::VsCode)),
        [
            "perplexity: npx -y server-perplexity-ask [PERPLEXITY_API_KEY=s3cret]",
            "github: https://api.githubcopilot.com/mcp []",
        ]
    );
    let inputs = declared(Dialect::VsCode).inputs;
    assert!(inputs[0].password);
    assert_eq!(inputs[0].description.as_deref(), Some("Perplexity API Key"));
    let unasked = declared(Dialect::VsCode).resolve(&Variables::new(&lookup));
    assert_eq!(
        unasked.problems[0].reason,
        "is not configured: `env.PERPLEXITY_API_KEY` needs ${input:api-key}, which has no value"
    );
}

#[test]
fn codex() {
    let file = resolved(Dialect::Codex);
    assert_eq!(
        summary(&file),
        [
            "context7: npx -y @upstash/context7-mcp [KEY=s3cret,LOG=info]",
            "figma: https://mcp.figma.com/mcp [Authorization=Bearer s3cret,X-Key=s3cret,\
             X-Region=us-east-1] off",
        ]
    );
    assert_eq!(file.servers[0].startup_timeout, Some(Duration::from_secs(20)));
    assert_eq!(file.servers[0].call_timeout, Some(Duration::from_millis(4500)));
    assert_eq!(file.servers[0].tools.allow, Some(vec!["search".to_owned()]));
    assert!(declared(Dialect::Codex).entry("context7").unwrap().required);
}

#[test]
fn goose() {
    let file = resolved(Dialect::Goose);
    assert_eq!(
        summary(&file),
        [
            "github: npx -y @modelcontextprotocol/server-github [KEY=s3cret,LOG=info]",
            "remote: https://api.example.com/mcp [] off",
        ],
        "its own extensions are no MCP servers"
    );
    assert_eq!(file.servers[0].call_timeout, Some(Duration::from_secs(300)));
    assert_eq!(file.servers[0].tools.allow, None);
}

#[test]
fn mistral_rs() {
    let declared = declared(Dialect::MistralRs);
    assert_eq!(declared.auto_register_tools, Some(true));
    assert_eq!(declared.max_concurrent_calls, Some(5));
    let file = resolved(Dialect::MistralRs);
    assert_eq!(file.max_concurrent_calls, Some(5));
    assert_eq!(
        summary(&file),
        [
            "web_search: https://api.example.com/mcp [Authorization=Bearer token,X-A=b]",
            "filesystem: mcp-server-filesystem --root /tmp [DEBUG=1] in /tmp",
        ]
    );
    assert_eq!(file.servers[0].tool_prefix.as_deref(), Some("web"));
    assert_eq!(file.servers[0].call_timeout, Some(Duration::from_secs(60)));
    assert_eq!(file.servers[1].call_timeout, Some(Duration::from_secs(30)), "that of the file");
    assert_eq!(file.servers[1].resources, ["file://**"]);
}

#[test]
fn gemini() {
    let file = resolved(Dialect::Gemini);
    assert_eq!(
        summary(&file),
        [
            "python: python -m server [KEY=s3cret] in ./mcp",
            "http: https://api.example.com/mcp [Authorization=Bearer s3cret]",
            "sse: sse https://api.example.com/sse []",
        ]
    );
    assert!(file.servers[0].tools.trusted);
    assert_eq!(file.servers[0].tools.deny, ["danger"]);
    assert_eq!(file.servers[0].call_timeout, Some(Duration::from_secs(15)));
}

#[test]
fn windsurf_open_code_zed_and_cline() {
    assert_eq!(
        summary(&resolved(Dialect::Windsurf)),
        ["remote: https://api.example.com/mcp [X-Key=s3cret]", "off: npx srv [] off"]
    );
    assert_eq!(
        summary(&resolved(Dialect::OpenCode)),
        [
            "local: npx -y my-mcp-command [KEY=s3cret] in /tmp",
            "remote: https://api.example.com/mcp [Authorization=Bearer s3cret] off"
        ]
    );
    assert_eq!(
        summary(&resolved(Dialect::Zed)),
        [
            "postgres: npx -y server-postgres [URL=postgres://h/d]",
            "remote: https://api.example.com/mcp [X-Key=v]",
            "older: node server.js []"
        ]
    );
    let cline = resolved(Dialect::Cline);
    assert_eq!(
        summary(&cline),
        ["local: node /srv/index.js [KEY=v] off", "remote: https://api.example.com/mcp []"]
    );
    assert_eq!(cline.servers[0].tools.approved, ["read", "list"]);
    assert_eq!(cline.servers[0].call_timeout, Some(Duration::from_secs(60)));
}

#[test]
fn one_bad_entry_hides_no_other() {
    let text = r#"{"mcpServers": {
        "both": {"command": "x", "url": "http://h"},
        "none": {},
        "list": [],
        "args": {"command": "x", "args": "oops"},
        "good": {"command": "x"},
        "good": {"command": "twice"},
        "era": {"command": "x", "protocolEra": "old"},
        "time": {"command": "x", "timeout": "1s"}
    }}"#;
    let file = declare(text, Path::new("s.json"), None).unwrap().resolve(&Variables::new(&lookup));
    let problems: Vec<_> = file
        .problems
        .iter()
        .map(|problem| format!("{} {} {}", problem.origin, problem.server, problem.reason))
        .collect();
    assert_eq!(
        problems,
        [
            "s.json:2 both has both `command` and `url`; remove one",
            "s.json:3 none has neither `command` nor `url`; add one",
            "s.json:4 list the entry must be an object with `command` or `url`",
            "s.json:5 args `args` must be a list of strings",
            "s.json:7 good the name `good` is used twice; rename one",
            "s.json:8 era `protocolEra` must be auto, legacy or modern, not `old`",
            "s.json:9 time `timeout` must be a whole number of milliseconds",
        ]
    );
    assert_eq!(summary(&file)[0], "good: x  []");
}

#[test]
fn a_project_of_a_file_that_holds_several() {
    let text = r#"{"mcpServers": {"both": {"command": "user"}, "mine": {"command": "x"}},
        "projects": {"/src/app": {"mcpServers": {"both": {"command": "project"}}}}}"#;
    let read = |project: Option<&str>| {
        let declared = declare(text, Path::new(".claude.json"), project.map(Path::new)).unwrap();
        summary(&declared.resolve(&Variables::new(&lookup)))
    };
    assert_eq!(read(None), ["both: user  []", "mine: x  []"]);
    let own = read(Some("/src/app"));
    assert_eq!(own[..2], ["both: project  []", "mine: x  []"]);
}

#[test]
fn a_pasted_map_and_a_file_of_variables() {
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join(".env");
    std::fs::write(&env, "# comment\nA=1\nexport B='two words'\n\nbad line\n").unwrap();
    let file = folder.path().join("pasted");
    let text = format!(r#"{{"one": {{"command": "x", "envFile": "{}"}}}}"#, env.display());
    std::fs::write(&file, text).unwrap();
    let found = read_file(&file, &|_| None).unwrap();
    assert_eq!(summary(&found), ["one: x  [A=1,B=two words]"]);
    std::fs::remove_file(&env).unwrap();
    let found = read_file(&file, &|_| None).unwrap();
    assert!(found.problems[0].reason.contains(".env"), "{:?}", found.problems);
}

#[test]
fn what_is_no_configuration_is_said_with_its_place() {
    let error = |text, file| declare(text, Path::new(file), None).unwrap_err();
    assert!(error("{\n \"a\": [1\n", "f.json").to_string().contains("f.json:"));
    assert!(matches!(error("{}", "f.json"), ConfigError::NoServers { .. }));
    assert!(matches!(error("[1, 2]", "f.json"), ConfigError::NoServers { .. }));
    assert!(matches!(error("a: 1", "f.yaml"), ConfigError::NoServers { .. }));
    assert!(matches!(error(r#"{"mcpServers": 3}"#, "f.json"), ConfigError::NoServers { .. }));
}

#[test]
fn the_bounds_of_a_server_are_read_and_written() {
    let text = r#"{"mcpServers": {
        "a/b": {"command": "x", "sandbox": true},
        "b": {"command": "x", "sandbox": {"folder": "${workspaceFolder}/box", "read": ["~/x"],
            "write": ["/w"], "network": true, "openFiles": 64, "cpuSeconds": 9}},
        "c": {"command": "x", "sandbox": false},
        "d": {"command": "x", "sandbox": {"netwrok": false}},
        "e": {"url": "https://h/mcp", "reach": "public"},
        "f": {"url": "https://h/mcp", "reach": "far"}}}"#;
    let declared = declare(text, Path::new(".mcp.json"), None).unwrap();
    let reasons: Vec<_> = declared.problems.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["`sandbox` has no `netwrok`; remove it", "`reach` must be public or anywhere, not `far`"]
    );
    let found = declared.resolve(&Variables::new(&|_| None).home("/home/me").workspace("/project"));
    let bounds: Vec<_> = found.servers.iter().map(|server| server.sandbox.clone()).collect();
    let full = Sandbox::in_folder("/project/box").read("~/x").write("/w").network(true);
    let own = super::super::sandbox::folder_name(&found.servers[0].name, Path::new(".mcp.json"));
    assert_eq!(
        bounds,
        [
            Some(Sandbox::in_folder(format!("/home/me/.cache/mcp/sandbox/{own}"))),
            Some(full.open_files(64).cpu_time(Duration::from_secs(9))),
            None,
            None,
        ]
    );
    assert_eq!(found.servers[3].reach, Reach::Public);
    let exported = export(&declared, Dialect::ClaudeCode);
    assert_eq!(exported.notes, Vec::<String>::new());
    let again = declare(&exported.text, Path::new(".mcp.json"), None).unwrap();
    for entry in &declared.entries {
        let after = again.entry(&entry.name).unwrap();
        assert_eq!((&after.sandbox, after.reach), (&entry.sandbox, entry.reach));
    }
    let exported = export(&declared, Dialect::Codex);
    assert!(exported.notes.iter().any(|note| note.contains("its sandbox")), "{exported:?}");
}

#[test]
fn a_server_can_bound_its_own_calls() {
    let text = r#"{"mcpServers": {
        "one": {"command": "x", "max_concurrent_calls": 2},
        "none": {"command": "x", "maxConcurrentCalls": 0}
    }}"#;
    let file = parse(text, Path::new("x.json"), &|_| None).unwrap();
    assert_eq!(file.servers[0].max_concurrent_calls, Some(2));
    assert!(file.problems[0].reason.contains("at least 1"), "{:?}", file.problems);
    let declared = declare(text, Path::new("x.json"), None).unwrap();
    assert!(export(&declared, Dialect::ClaudeCode).text.contains("\"max_concurrent_calls\": 2"));
    let notes = export(&declared, Dialect::Cursor).notes;
    assert!(notes[0].contains("the limit of calls at a time"), "{notes:?}");
}
