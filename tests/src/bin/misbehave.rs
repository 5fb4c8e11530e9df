//! A stdio server that opens properly and then does one thing wrong, by name.
//!
//! Written without the crates under test, so that a fault of theirs cannot hide in both ends.

#![expect(clippy::print_stderr, reason = "a server complains on its standard error")]

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// Whether the list of tools is longer now.
static HAS_GROWN: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let fault = std::env::args().nth(1).unwrap_or_default();
    match fault.as_str() {
        "exit-at-once" => {
            eprintln!("cannot read the settings: no such file");
            return ExitCode::from(3);
        }
        "silent" => {
            eprintln!("waiting for the database");
            thread::sleep(Duration::from_secs(3600));
        }
        "banner" => say_raw(b"Starting the server, please wait...\n"),
        "not-mcp" => {
            say_raw(b"Usage: not-a-server [OPTIONS]\n");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(request) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = request.get("id") else { continue };
        match request["method"].as_str().unwrap_or_default() {
            "initialize" => say(&json!({"jsonrpc": "2.0", "id": id, "result": {
                "protocolVersion": if fault == "future" { "2099-01-01" } else { "2025-11-25" },
                "capabilities": if fault == "changes" {
                    json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}})
                } else {
                    json!({"tools": {}})
                },
                "serverInfo": {"name": "misbehave", "version": "1"},
            }})),
            "server/discover" if fault == "dies-on-probe" => return ExitCode::from(1),
            "ping" if fault == "ping-unanswered" => {}
            "tools/list" => list(&fault, id, &request["params"]),
            "resources/list" if fault == "changes" => {
                let uris = ["note:one", "note:two", "other:three"];
                let resources = uris.map(|uri| json!({"uri": uri, "name": uri}));
                say(&json!({"jsonrpc": "2.0", "id": id, "result": {"resources": resources}}));
            }
            "resources/subscribe" if fault == "changes" => {
                say(&json!({"jsonrpc": "2.0", "id": id, "result": {}}));
            }
            "tools/call" => {
                if let Some(code) = call(&fault, id, &request) {
                    return code;
                }
            }
            _ => say(&json!({"jsonrpc": "2.0", "id": id,
                "error": {"code": -32601, "message": "Method not found"}})),
        }
    }
    if fault == "ignores-eof" {
        thread::sleep(Duration::from_secs(3600));
    }
    ExitCode::SUCCESS
}

fn list(fault: &str, id: &Value, params: &Value) {
    let good = json!({"name": "good", "inputSchema": {"type": "object"}});
    let result = match fault {
        "bad-tool" => json!({"tools": [
            {"name": "no-schema"}, good, {"name": 7, "inputSchema": {}}, "text",
        ]}),
        "cursor-loop" => json!({"tools": [good], "nextCursor": "again"}),
        "endless-pages" => {
            let page: u64 = params["cursor"].as_str().and_then(|c| c.parse().ok()).unwrap_or(0);
            json!({"tools": [good], "nextCursor": (page + 1).to_string()})
        }
        "changes" if HAS_GROWN.load(Ordering::Relaxed) => {
            json!({"tools": [good, {"name": "better", "inputSchema": {"type": "object"}}]})
        }
        _ => json!({"tools": [good]}),
    };
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

/// Answers a call wrongly; `Some` ends the process.
fn call(fault: &str, id: &Value, request: &Value) -> Option<ExitCode> {
    let result = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    let answer = |id: &Value, result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
    match request["params"]["name"].as_str() {
        Some("pid") => {
            say(&answer(id, result(&std::process::id().to_string())));
            return None;
        }
        Some("slow") => {
            let answer = answer(id, result("ok"));
            let ms = request["params"]["arguments"]["ms"].as_u64().unwrap_or_default();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(ms));
                say(&answer);
            });
            return None;
        }
        // Says that its list of tools, or a resource, has changed, and then answers.
        Some("grow") => {
            HAS_GROWN.store(true, Ordering::Relaxed);
            say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
        }
        Some("touch") => say(&json!({
            "jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": {"uri": request["params"]["arguments"]["uri"]},
        })),
        _ => {}
    }
    match fault {
        "garbage" => say_raw(b"{{{ not json\n"),
        "half-a-line" => {
            say_raw(br#"{"jsonrpc":"2.0","id":"#);
            return Some(ExitCode::SUCCESS);
        }
        "huge-line" => {
            let block = vec![b'x'; 1 << 20];
            say_raw(br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""#);
            for _ in 0..200 {
                say_raw(&block);
            }
            say_raw(b"\"}]}}\n");
        }
        "invalid-utf8" => {
            say_raw(
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":""#
                )
                .as_bytes(),
            );
            say_raw(b"\xff\xfe");
            say_raw(b"\"}]}}\n");
        }
        "unknown-id" => {
            say(&answer(&json!(987_654), result("for nobody")));
            say(&answer(id, result("right")));
        }
        "two-answers" => {
            say(&answer(id, result("first")));
            say(&answer(id, result("second")));
        }
        "no-answer" | "silent-call" => {}
        "late" => {
            // The first call is answered after its caller has given up, the others at once.
            let slow = request["params"]["arguments"]["slow"] == json!(true);
            let id = id.clone();
            if slow {
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(400));
                    say(&json!({"jsonrpc": "2.0", "id": id, "result": {
                        "content": [{"type": "text", "text": "late"}]}}));
                });
            } else {
                say(&answer(&id, result("in time")));
            }
        }
        "exit-mid-call" => {
            eprintln!("panic: index out of bounds");
            return Some(ExitCode::from(101));
        }
        "reports-progress" => {
            for (progress, message) in [(1, "half way"), (2, "there")] {
                say(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                    "progressToken": request["params"]["_meta"]["progressToken"],
                    "progress": progress, "total": 2, "message": message,
                }}));
            }
            say(&answer(id, result("done")));
        }
        "log-first" => {
            say(&json!({"jsonrpc": "2.0", "method": "notifications/message",
                "params": {"level": "info", "data": "working"}}));
            say(&answer(id, result("after the log")));
        }
        "sloppy-field" => say(&answer(id, json!({"content": [], "isError": "false"}))),
        "unknown-content" => say(&answer(
            id,
            json!({"content": [
                {"type": "hologram", "depth": 3}, {"type": "text", "text": "seen"},
            ]}),
        )),
        "extra-keys" => say(&answer(
            id,
            json!({"action": "accept", "tools": [],
            "content": [{"type": "text", "text": "seen"}]}),
        )),
        "tool-error" => say(&answer(
            id,
            json!({"isError": true,
            "content": [{"type": "text", "text": "boom"}]}),
        )),
        _ => say(&answer(id, result("ok"))),
    }
    None
}

fn say(message: &Value) {
    say_raw(format!("{message}\n").as_bytes());
}

fn say_raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // A client that is gone is no reason to fail.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}
