//! A server that puts control sequences into everything it says, and every command that shows it.

use serde_json::json;

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("hostile.py", include_str!("../servers/hostile.py"));
    let config = json!({"mcpServers": {
        "bad": {"command": "python3", "args": ["hostile.py"]},
        "dead": {"command": "python3", "args": ["hostile.py", "die"]},
    }});
    sandbox.write("hostile.json", &config.to_string());
    sandbox
}

/// Runs a line of the shell on a terminal, where nothing but plain text may come out.
#[track_caller]
fn check(sandbox: &Sandbox, line: &str, shown: &str) {
    let mut command = sandbox.command("script");
    command.env("TERM", "xterm-256color").env("NO_COLOR", "1").env("MCP_NO_PROGRESS", "1");
    command.env("MCP_CONFIG", "hostile.json").env("MCP_NO_INPUT", "1");
    let Ended { stdout, .. } =
        crate::sandbox::run(command.args(["-q", "-e", "-c", line, "/dev/null"]));
    // Terminals write `\r\n` for each end of a line.
    let text = stdout.replace("\r\n", "\n");
    let bad = text.chars().find(|c| match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    });
    assert_eq!(bad, None, "{line}: {text:?}");
    assert!(text.contains(shown), "{line}: {text:?}");
}

#[test]
fn lists_are_plain_text() {
    let sandbox = sandbox();
    for (line, shown) in [
        ("mcp tools bad", "shower"),
        ("mcp tools bad --full --schema", "More"),
        ("mcp tools bad -o raw", "bad.shower"),
        ("mcp tools", "5 tools · 1 not available"),
        ("mcp tools bad -q -o ndjson", r"\u001b"),
        ("mcp resources bad", "mem://a"),
        ("mcp resources bad -o raw", "mem://a"),
        ("mcp prompts bad", "writer"),
        ("mcp ping bad", "name 1"),
        ("mcp status", "bad"),
        ("mcp status bad -o raw", "bad ready"),
        ("mcp pins show bad", ""),
    ] {
        check(&sandbox, line, shown);
    }
}

#[test]
fn answers_and_errors_are_plain_text() {
    let sandbox = sandbox();
    for (line, shown) in [
        ("mcp call bad.show -v -v", "logged"),
        ("mcp call bad.show -q", "textend"),
        ("mcp call bad.show -q -o json", r"\u009b"),
        ("mcp call bad.fail", "textend"),
        ("mcp call bad.refuse", "nono"),
        ("mcp call bad.die", "fatalerror"),
        ("mcp call bad.show --help", "Arguments:"),
        ("mcp call bad.show pick=three", "must be one of"),
        ("mcp call bad.shew", "did you mean `show`?"),
        ("mcp call bad.shower", "shower"),
        ("mcp read bad mem://a", "resource"),
        ("mcp read bad mem://a -o raw", "resource"),
        ("mcp prompt bad.write", "sayit"),
        ("mcp prompt bad.writer", "writer"),
        ("mcp call dead.show", "cannotstart"),
    ] {
        check(&sandbox, line, shown);
    }
}

#[test]
fn what_a_model_and_its_tools_say_is_plain_text() {
    const SAID: &str = "Do\u{1b}[2Jne\u{9b}31m.\u{202e}";
    let calls = ["show", "fail", "refuse"].map(|tool| {
        let name = ["mcp__bad__", tool].concat();
        (&*name.leak(), json!({"pick": "two", "note": "\u{1b}[2J\u{202e}x"}))
    });
    let model = Model::start(vec![Answer::Calls(calls.to_vec()), Answer::Text(SAID)]);
    let sandbox = sandbox();
    let with = format!("--base-url {} -m scripted --approve auto", model.url);
    check(&sandbox, &format!("mcp run go -s bad {with}"), "Done.");
    let chat = "printf '/tools\\n/servers\\n/export\\n/exit\\n' | mcp chat -s bad --no-save";
    check(&sandbox, &format!("{chat} {with}"), "bad.shower");
    let refused = Model::start(vec![Answer::Calls(calls.to_vec()), Answer::Status(400, SAID)]);
    let with = format!("--base-url {} -m scripted --approve never", refused.url);
    check(&sandbox, &format!("mcp run go -s bad {with}"), "not allowed");
}

#[test]
fn a_file_with_control_sequences_is_shown_as_plain_text() {
    let sandbox = sandbox();
    let name = "na\u{1b}[2Jme\u{9b}31m\u{202e}";
    let entry = json!({"command": "no\u{1b}]0;pwned\u{7}ne", "args": ["\u{202e}x"], "more": 1});
    sandbox.write(".mcp.json", &json!({"mcpServers": {name: entry}}).to_string());
    for (line, shown) in [
        ("mcp config show .mcp.json", "name"),
        ("mcp tools --config .mcp.json", "name"),
        ("mcp tools --config .mcp.json --trust", "name"),
        ("mcp status --config .mcp.json", "name"),
        ("mcp trust list", "name"),
    ] {
        check(&sandbox, line, shown);
    }
}
