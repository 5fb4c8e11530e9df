//! Servers with several endpoints.

use std::{path::Path, time::Duration};

use super::super::{ConfigFile, Dialect, TransportConfig, Variables, declare, export};
use crate::{Affinity, Balance, Ejection};

fn read(entry: &str) -> ConfigFile {
    let text = format!("{{\"mcpServers\": {{\n\"search\": {entry}}}}}");
    let declared =
        declare(&text, Path::new("servers.json"), None).expect("the file is well-formed");
    declared.resolve(&Variables::new(&|name| (name == "HOST").then(|| "two.example".to_owned())))
}

fn urls(file: &ConfigFile) -> Vec<String> {
    let server = &file.servers[0];
    let text = |transport: &TransportConfig| match transport {
        TransportConfig::Http { url, headers } | TransportConfig::Sse { url, headers } => {
            format!("{url} {}", headers.len())
        }
        TransportConfig::Stdio { command, .. } => command.clone(),
    };
    server.transports().map(text).collect()
}

#[test]
fn further_endpoints_are_a_number_a_list_or_an_object() {
    assert_eq!(urls(&read(r#"{"command": "x", "replicas": 3}"#)), ["x", "x", "x"]);
    assert_eq!(urls(&read(r#"{"command": "x", "replicas": {"count": 2}}"#)), ["x", "x"]);
    let list = r#"{"url": "https://one.example/mcp", "headers": {"A": "b"},
        "replicas": ["https://${HOST}/mcp"]}"#;
    assert_eq!(urls(&read(list)), ["https://one.example/mcp 1", "https://two.example/mcp 1"]);
    let file = read(
        r#"{"type": "sse", "url": "https://one.example/sse", "replicas": {
            "urls": ["https://two.example/sse"], "balance": "round-robin", "affinity": "always",
            "eject": {"failures": 2, "seconds": 1.5, "share": 0.3}
        }}"#,
    );
    assert_eq!(urls(&file).len(), 2);
    let rules = file.servers[0].replicas.as_ref().unwrap().rules;
    assert_eq!((rules.balance, rules.affinity), (Balance::RoundRobin, Affinity::Always));
    let eject = Ejection {
        failures: 2,
        time: Duration::from_millis(1500),
        share: 0.3,
        ..Ejection::default()
    };
    assert_eq!(rules.ejection, eject);
    let never = read(r#"{"command": "x", "replicas": {"count": 2, "eject": false}}"#);
    assert_eq!(never.servers[0].replicas.as_ref().unwrap().rules.ejection.failures, 0);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_hides_no_other_server() {
    for (entry, reason) in [
        (
            r#"{"command": "x", "replicas": 1}"#,
            "`replicas` must be at least 2; remove it for one process",
        ),
        (r#"{"command": "x", "replicas": 65}"#, "`replicas` must be at most 64 in all"),
        (r#"{"command": "x", "replicas": 2.5}"#, "`replicas` must be a whole number"),
        (
            r#"{"command": "x", "replicas": ["https://h/mcp"]}"#,
            "`replicas` of a command must be how many processes of it run: write a number, or `count`",
        ),
        (
            r#"{"url": "https://h/mcp", "replicas": 2}"#,
            "`replicas` of a URL must be the further URLs: write a list, or `urls`",
        ),
        (
            r#"{"url": "https://h/mcp", "replicas": []}"#,
            "`replicas` of a URL must be the further URLs: write a list, or `urls`",
        ),
        (
            r#"{"command": "x", "replicas": true}"#,
            "`replicas` must be a number, a list of URLs or an object",
        ),
        (
            r#"{"command": "x", "replicas": {"count": 2, "balance": "fair"}}"#,
            "`replicas.balance` must be one of round-robin, random, least-in-flight, power-of-two, \
             not `fair`",
        ),
        (
            r#"{"command": "x", "replicas": {"count": 2, "affinity": "yes"}}"#,
            "`replicas.affinity` must be one of sessions, always, never, not `yes`",
        ),
        (
            r#"{"command": "x", "replicas": {"count": 2, "weight": 3}}"#,
            "`replicas` has no `weight`; remove it",
        ),
        (
            r#"{"command": "x", "replicas": {"count": 2, "eject": {"share": 2}}}"#,
            "`eject.share` must be between 0 and 1",
        ),
        (
            r#"{"command": "x", "replicas": {"count": 2, "eject": {"after": 2}}}"#,
            "`eject` has no `after`; remove it",
        ),
    ] {
        let file = read(&format!("{entry},\n\"other\": {{\"command\": \"y\"}}"));
        assert_eq!(file.problems.len(), 1, "{entry}");
        assert_eq!(file.problems[0].reason, reason, "{entry}");
        assert_eq!(file.problems[0].origin.to_string(), "servers.json:2");
        assert_eq!(file.servers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["other"]);
    }
    let unset = read(r#"{"url": "https://h/mcp", "replicas": ["https://${NOWHERE}/mcp"]}"#);
    assert_eq!(
        unset.problems[0].reason,
        "is not configured: `replicas` needs NOWHERE, which is not set"
    );
}

#[test]
fn our_own_form_keeps_them_and_others_say_that_they_are_lost() {
    let text = r#"{"mcpServers": {"search": {"url": "https://one.example/mcp", "replicas": {
        "urls": ["https://${HOST}/mcp"], "balance": "random", "affinity": "never",
        "eject": {"failures": 2, "seconds": 1.5, "share": 0.3, "slowStartSeconds": 4}
    }}, "command": {"command": "x", "replicas": {"count": 2, "eject": false}}}}"#;
    let declared = declare(text, Path::new(".mcp.json"), None).unwrap();
    let written = export(&declared, Dialect::ClaudeCode);
    let again = declare(&written.text, Path::new(".mcp.json"), None).unwrap();
    for (one, other) in declared.entries.iter().zip(&again.entries) {
        assert!(one.replicas.is_some());
        assert_eq!(one.replicas, other.replicas, "{}", written.text);
    }
    let lost = export(&declared, Dialect::Cursor).notes;
    assert!(lost.iter().all(|note| note.contains("its replicas")), "{lost:?}");
    assert_eq!(lost.len(), 2);
}

#[test]
fn an_agreement_is_about_what_inputs_stand_for() {
    let entry = |package: &str, more: &str| {
        let text = format!(
            r#"{{"inputs": [{{"id": "p", "default": "{package}"}}, {{"id": "q", "default": "x"}}],
            "servers": {{"a": {{"command": "npx", "args": ["-y", "${{input:p}}"]{more}}}}}}}"#
        );
        declare(&text, Path::new(".vscode/mcp.json"), None).unwrap().entries[0].clone()
    };
    let good = entry("good", "");
    assert_eq!(good.input_defaults.len(), 1, "{:?}", good.input_defaults);
    assert_eq!(good.digest(), entry("good", "").digest());
    assert_ne!(good.digest(), entry("evil", "").digest());
    assert_ne!(good.digest(), entry("good", r#", "trust": true"#).digest());
}

#[test]
fn an_agreement_is_about_all_endpoints() {
    let entry = |replicas: &str| {
        let text =
            format!(r#"{{"mcpServers": {{"a": {{"url": "https://one.example/mcp"{replicas}}}}}}}"#);
        let declared = declare(&text, Path::new(".mcp.json"), None).unwrap();
        declared.entries[0].digest()
    };
    let one = entry(r#", "replicas": ["https://two.example/mcp"]"#);
    assert_ne!(one, entry(""));
    assert_ne!(one, entry(r#", "replicas": ["https://three.example/mcp"]"#));
    let spread = r#", "replicas": {"urls": ["https://two.example/mcp"], "balance": "random"}"#;
    assert_eq!(one, entry(spread), "how calls are spread is no matter of trust");
}
