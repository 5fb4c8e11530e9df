//! Addresses that answer with something other than MCP.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

use crate::sandbox::Sandbox;

/// A server that answers everything with the same.
fn serving(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
            }
            // The client may have left.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn credentials_that_are_missing() {
    let url = serving(
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"x\"\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n",
    );
    let ended = Sandbox::new().mcp(&["tools", &url, "-H", "Authorization: Bearer s3cret"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("wants credentials"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    let ended = Sandbox::new().mcp(&["tools", &url, "--json"]);
    assert!(ended.stderr.contains(r#""code":"auth_required""#), "{}", ended.stderr);
}

#[test]
fn pages_and_failures() {
    for (answer, code, said) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\
             connection: close\r\n\r\n<html></html>",
            4,
            "text/html",
        ),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\nconnection: close\r\n\r\nboom", 4, "500"),
    ] {
        let url = serving(answer);
        let ended = Sandbox::new().mcp(&["ping", &url, "--startup-timeout", "10s"]);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn credentials_in_an_address_are_not_repeated() {
    let ended = Sandbox::new().mcp(&["tools", "http://ana:s3cret@127.0.0.1:9/mcp?key=s3cret"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

/// Ended with the value.
struct Serving(std::process::Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_server_answers_in_both_lifecycles() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    command.args(["demo-server", "--http", "127.0.0.1:0"]).stdout(std::process::Stdio::piped());
    let mut serving = Serving(command.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    for era in ["auto", "legacy", "modern"] {
        let words = ["call", url, "calculator", "expression=6*7", "--era", era];
        let ended = sandbox.mcp(&words);
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{era}: {}", ended.stderr);
    }
}

#[test]
fn a_command_can_be_written_as_an_address() {
    let words = ["call", "stdio://mcp?arg=demo-server", "calculator", "expression=6*7"];
    let ended = Sandbox::new().mcp(&words);
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "42"), "{}", ended.stderr);
    let ended = Sandbox::new().mcp(&["tools", "stdio://mcp?argument=x"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn what_can_be_read_on_the_way_is_warned_of() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mcp.json",
        r#"{"mcpServers": {
    "plain": {"url": "http://me:s3cret@plain.invalid:8080/mcp?key=s3cret"},
    "socket": {"url": "ws://socket.invalid/mcp"},
    "secure": {"url": "https://secure.invalid/mcp"},
    "here": {"url": "http://127.0.0.1:9/mcp"},
    "off": {"url": "http://off.invalid/mcp", "enabled": false}
}}"#,
    );
    let ended = sandbox.mcp(&["tools", "--config", "mcp.json"]);
    let warnings: Vec<_> =
        ended.stderr.lines().filter(|line| line.contains("read on the way")).collect();
    assert_eq!(
        warnings,
        [("plain", "http://plain.invalid:8080"), ("socket", "ws://socket.invalid")].map(
            |(name, place)| format!(
                "warning: everything sent to `{name}` at {place} can be read on the way; use TLS, \
                 or a tunnel"
            )
        )
    );
    // Also of an address on the command line.
    let ended = sandbox.mcp(&["ping", "http://plain.invalid/mcp"]);
    assert!(ended.stderr.contains("can be read on the way"), "{}", ended.stderr);
}
