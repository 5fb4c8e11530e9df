//! A chat heeds changes of its configuration.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{ChildStderr, Stdio},
};

use crate::{
    model::{Answer, Model},
    sandbox::Sandbox,
};

/// The next line that is news of the configuration.
fn news(lines: &mut BufReader<ChildStderr>) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the chat is over");
        if line.contains("configuration") {
            return line;
        }
    }
}

#[test]
fn a_chat_goes_on_with_the_servers_of_the_changed_file() {
    let sandbox = Sandbox::new();
    let write = |names: &[&str]| sandbox.write_demos("mcp.json", names);
    write(&["one"]);
    let model = Model::start(vec![Answer::Text("Here I am.")]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    command.args(["chat", "--base-url", &model.url, "-m", "scripted", "--config", "mcp.json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut ask = |question: &str| {
        writeln!(stdin, "{question}").unwrap();
        let mut line = String::new();
        while !line.contains("Here I am.") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the chat is over");
        }
        // The tools that the model was offered.
        let asked = model.requests().pop().unwrap();
        let names = asked["tools"].as_array().unwrap().iter();
        let names = names.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.ends_with("calculator")).collect::<Vec<_>>()
    };
    assert_eq!(ask("hello"), ["mcp__one__calculator"]);
    write(&["one", "two"]);
    assert!(news(&mut stderr).contains("added two"));
    assert_eq!(ask("and now?"), ["mcp__one__calculator", "mcp__two__calculator"]);
    sandbox.write("mcp.json", "{");
    assert!(news(&mut stderr).contains("cannot be used, so the servers go on as they were"));
    assert_eq!(ask("still?").len(), 2);
    write(&["two"]);
    assert!(news(&mut stderr).contains("removed one"));
    assert_eq!(ask("and now?"), ["mcp__two__calculator"]);
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
