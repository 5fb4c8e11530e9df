//! What needs a terminal, a signal, or a reader that leaves.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use crate::{
    model::{Answer, Model},
    sandbox::{Ended, Sandbox},
};

/// Runs a line of the shell on a terminal of its own, with some input.
fn on_terminal(sandbox: &Sandbox, line: &str, typed: &str) -> Ended {
    let mut child = sandbox
        .command("script")
        .env("TERM", "xterm-256color")
        .args(["-q", "-e", "-c", line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let typed = typed.to_owned();
    let typing = thread::spawn(move || {
        for line in typed.lines() {
            // A person reads before the next line.
            thread::sleep(Duration::from_millis(1500));
            writeln!(stdin, "{line}").unwrap();
        }
        stdin
    });
    let output = child.wait_with_output().unwrap();
    drop(typing.join().unwrap());
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::new(),
    }
}

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    // A group of its own, so that the signal reaches nothing else.
    command.args(arguments).process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn progress_is_drawn_on_a_terminal_and_leaves_no_trace() {
    let sandbox = Sandbox::new();
    let ended = on_terminal(&sandbox, "mcp call ev.long steps=3 pause=0.4 --config one.json", "");
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("━"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1/3"), "{}", ended.stdout);
    assert!(ended.stdout.contains("step 2 of 3"), "{}", ended.stdout);
    let end = ended.stdout.rsplit("\r\x1b[K").next().unwrap();
    assert!(end.starts_with("done after 3 steps"), "{end:?}");
    assert!(end.contains("1 text block"), "{end:?}");
}

#[test]
fn quick_calls_and_quiet_ones_draw_nothing() {
    let sandbox = Sandbox::new();
    for line in [
        "mcp call calculator expression=1+1",
        "mcp call ev.long steps=2 pause=0.4 --config one.json --no-progress",
        "mcp call ev.long steps=2 pause=0.4 --config one.json -q",
    ] {
        let ended = on_terminal(&sandbox, line, "");
        assert!(!ended.stdout.contains("\x1b[K"), "{line} {:?}", ended.stdout);
    }
}

#[test]
fn servers_cannot_take_over_the_terminal() {
    let sandbox = Sandbox::new();
    let ended = on_terminal(&sandbox, "mcp call ev.paint --config one.json -q", "");
    assert!(ended.stdout.contains("red evil"), "{:?}", ended.stdout);
    assert!(!ended.stdout.contains('\x1b'), "{:?}", ended.stdout);
    let ended = on_terminal(&sandbox, "mcp call ev.paint --config one.json -q -o json", "");
    assert!(ended.stdout.contains(r"\u202e"), "{:?}", ended.stdout);
}

#[test]
fn missing_arguments_are_asked_for() {
    let sandbox = Sandbox::new();
    let ended =
        on_terminal(&sandbox, "mcp call ev.get-sum a=1 --config one.json --no-progress", "two\n2");
    assert!(ended.stdout.contains("b (num):"), "{}", ended.stdout);
    assert!(ended.stdout.contains("must be a number, got \"two\""), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n3\r\n"), "{}", ended.stdout);
    let ended = on_terminal(&sandbox, "mcp call ev.get-sum a=1 --config one.json --no-input", "");
    assert_eq!(ended.code, Some(2), "{}", ended.stdout);
}

#[test]
fn a_chat_asks_before_it_writes() {
    let calls = |text: &str| {
        Answer::Calls(vec![("mcp__demo__write_note", json!({"name": "n", "text": text}))])
    };
    let answers =
        vec![calls("one"), Answer::Text("Noted."), calls("two"), Answer::Text("Not noted.")];
    let (model, sandbox) = (Model::start(answers), Sandbox::new());
    let line = format!("mcp chat --base-url {} -m scripted", model.url);
    let ended = on_terminal(&sandbox, &line, "note one\ny\nnote two\nn\n/exit");
    let text = &ended.stdout;
    assert_eq!(ended.code, Some(0), "{text}");
    assert!(text.contains("[y]es  [n]o, and why  [a]lways"), "{text}");
    assert!(text.contains("Noted."), "{text}");
    assert!(text.contains("not allowed"), "{text}");
    assert_eq!(sandbox.mcp(&["call", "read_note", "name=n"]).stdout, "one\n");
    let history = sandbox.path().join("home/.local/state/mcp/chat_history");
    assert!(fs::read_to_string(history).unwrap().contains("note one"));
}

#[test]
fn what_a_server_asks_is_answered_during_a_call() {
    let sandbox = Sandbox::new();
    sandbox.add_server("asks.py");
    let ended = on_terminal(&sandbox, "mcp call greet -- python3 asks.py", "y\nAda\ns");
    let text = &ended.stdout;
    assert_eq!(ended.code, Some(0), "{text}");
    assert!(text.contains("`asks` asks:\r\n  Who are you?\r\n"), "{text}");
    assert!(text.contains(r#"{"action": "accept", "content": {"name": "Ada"}}"#), "{text}");
    // Nobody is there: then there is nothing to call.
    let listed = sandbox.mcp(&["tools", "--json", "--", "python3", "asks.py"]).stdout;
    assert!(listed.contains("asks") && !listed.contains("greet"), "{listed}");
}

#[test]
fn what_a_server_asks_is_answered_in_a_chat() {
    let sandbox = Sandbox::new();
    sandbox.add_server("asks.py");
    let call = Answer::Calls(vec![("mcp__asks__greet", json!({}))]);
    let model = Model::start(vec![call, Answer::Text("Hello.")]);
    let line =
        format!("mcp chat --base-url {} -m scripted --approve auto -- python3 asks.py", model.url);
    let ended = on_terminal(&sandbox, &line, "greet me\ny\nAda\ns\n/exit");
    let text = &ended.stdout;
    assert_eq!(ended.code, Some(0), "{text}");
    assert!(text.contains("name: Ada"), "{text}");
    assert!(text.contains("Hello."), "{text}");
    let told = model.requests()[1].to_string();
    assert!(told.contains("accept") && told.contains("Ada"), "{told}");
}

#[test]
fn a_change_is_shown_while_a_person_types() {
    let model = Model::start(vec![Answer::Text("On Friday.")]);
    let sandbox = Sandbox::new();
    sandbox.add_server("files.py");
    sandbox.write("plan.md", "Ship on Friday.");
    let line = format!(
        "mcp chat --base-url {} -m scripted --no-save -r 'notes:///*' -- python3 files.py plan.md",
        model.url
    );
    let mut child = sandbox
        .command("script")
        .env("TERM", "xterm-256color")
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let shown = Arc::<Mutex<Vec<u8>>>::default();
    let hearing = Arc::clone(&shown);
    let reading = thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = stdout.read(&mut piece) {
            hearing.lock().unwrap().extend_from_slice(&piece[..length]);
        }
    });
    let sees = |text: &str| String::from_utf8_lossy(&shown.lock().unwrap()).contains(text);
    until("the prompt", || sees("› "));
    stdin.write_all(b"When?\r").unwrap();
    until("the answer", || sees("out tokens"));
    // Nothing more is entered than the beginning of a line.
    stdin.write_all(b"And th").unwrap();
    until("the echo", || sees("And th"));
    sandbox.write("plan.md", "Ship on Monday.");
    sandbox.write("touched.new", "plan.md");
    fs::rename(sandbox.path().join("touched.new"), sandbox.path().join("touched")).unwrap();
    until("the change", || sees("changed since the answer: notes:///plan.md"));
    stdin.write_all(b"en?\r").unwrap();
    until("the next question", || model.requests().len() == 2);
    stdin.write_all(b"/exit\r").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reading.join().unwrap();
    // What was typed is one line, and the model is told.
    let requests = model.requests();
    let asked = requests[1]["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    assert!(asked.contains("And then?") && asked.contains("Ship on Monday."), "{asked}");
}

#[test]
fn ctrl_c_cancels_the_call_and_ends_at_once() {
    let sandbox = Sandbox::new();
    let child = start(
        &sandbox,
        &["call", "ev.long", "steps=100", "pause=0.1", "--config", "one.json", "-o", "ndjson"],
    );
    let mut child = child;
    // The first progress tells that the call has arrived.
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("progress"), "{first}");
    let started = Instant::now();
    interrupt(&child);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_server_that_waits_hears_of_the_cancellation() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox, &["call", "ev.hang", "--config", "one.json"]);
    // Nothing tells when the call has arrived; the server's start takes the most time.
    thread::sleep(Duration::from_secs(2));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let seen = sandbox.path().join("cancelled");
    until("the cancellation", || seen.exists());
}

#[test]
fn a_model_that_stalls_can_be_stopped() {
    let (model, sandbox) = (Model::start(vec![Answer::Stall]), Sandbox::new());
    let mut child =
        start(&sandbox, &["run", "go", "--base-url", &model.url, "-m", "scripted", "--no-stdin"]);
    until("the question", || !model.requests().is_empty());
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_stops_the_answer_of_a_chat_not_the_chat() {
    let model = Model::start(vec![Answer::Stall, Answer::Text("Here I am.")]);
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    command.args(["chat", "--base-url", &model.url, "-m", "scripted"]);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "go").unwrap();
    until("the question", || !model.requests().is_empty());
    interrupt(&child);
    writeln!(stdin, "still there?\n/exit").unwrap();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    assert!(String::from_utf8_lossy(stdout).contains("Here I am."), "{output:?}");
    assert!(String::from_utf8_lossy(stderr).contains("stopped"), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn ctrl_c_is_heard_while_standard_input_is_read() {
    for arguments in [&["call", "calculator", "-"][..], &["run", "go"]] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
        command.args(arguments).process_group(0).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Waiting for the child closes its input, which would end it in another way.
        let stdin = child.stdin.take();
        thread::sleep(Duration::from_secs(1));
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
        drop(stdin);
    }
}

#[test]
fn no_server_outlives_the_program() {
    let sandbox = Sandbox::new();
    let mark = format!("{}-marker", std::process::id());
    sandbox.write(
        "marked.json",
        &format!(
            r#"{{"mcpServers": {{"ev": {{"command": "python3", "args": ["peer.py", "{mark}"]}}}}}}"#
        ),
    );
    assert_eq!(sandbox.mcp(&["tools", "--config", "marked.json", "-q"]).code, Some(0));
    let mut child = start(&sandbox, &["call", "ev.hang", "--config", "marked.json"]);
    until("the server", || lives(&mark));
    interrupt(&child);
    child.wait().unwrap();
    until("the end of the server", || !lives(&mark));
}

/// Whether a server with this argument runs.
fn lives(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(mark) && line.contains("peer.py")
        })
    })
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::new();
    let ended = sandbox
        .shell("{ mcp tools ev --config one.json --full; echo $? >&2; } | head -1 >/dev/null");
    assert_eq!(ended.stderr.trim(), "0");
    let ended = sandbox.shell("{ mcp --help; echo $? >&2; } | true");
    assert_eq!(ended.stderr.trim(), "0");
}
