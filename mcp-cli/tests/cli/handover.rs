//! One process takes over from another, under load.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use command_fds::{CommandFdExt as _, FdMapping};

use crate::sandbox::Sandbox;

/// A service at a socket that it did not open, once it says that it is there.
fn serve(sandbox: &Sandbox, socket: &TcpListener) -> Child {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mcp"));
    let words = ["serve", "--no-model", "--no-token", "-o", "json", "--config", "mcp.json"];
    command.args(words).env("LISTEN_FDS", "1").stdout(Stdio::piped());
    let passed = FdMapping { parent_fd: OwnedFd::from(socket.try_clone().unwrap()), child_fd: 3 };
    command.fd_mappings(vec![passed]).unwrap();
    let mut child = command.spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains(&socket.local_addr().unwrap().to_string()), "{told}");
    child
}

/// A client that keeps its connection for as long as the service does.
struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    fn call(&mut self) -> Result<(), String> {
        let body =
            r#"{"server_name":"demo","tool_name":"calculator","arguments":{"expression":"6*7"}}"#;
        let request = format!(
            "POST /mcp/tools/call HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address).map_err(|e| e.to_string())?),
        };
        stream.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let (mut head, mut length, mut closes) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).map_err(|error| error.to_string())?;
            if line.is_empty() {
                return Err(format!("no answer: {head}"));
            }
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(bytes) = lower.strip_prefix("content-length: ") {
                length = bytes.parse().map_err(|_| lower.clone())?;
            }
            closes |= lower == "connection: close";
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body);
        if !head.starts_with("HTTP/1.1 200") || !body.contains("42") {
            return Err(format!("{head}{body}"));
        }
        if !closes {
            self.connection = Some(stream);
        }
        Ok(())
    }
}

#[test]
fn a_new_process_takes_over_and_no_call_fails() {
    let sandbox = Sandbox::new();
    sandbox.write_demos("mcp.json", &["demo"]);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut old = serve(&sandbox, &socket);
    Client { address, connection: None }.call().unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let (told, outcomes) = mpsc::channel();
    let load: Vec<_> = (0..4)
        .map(|number| {
            let (stop, told) = (Arc::clone(&stop), told.clone());
            thread::spawn(move || {
                let mut client = Client { address, connection: None };
                while !stop.load(Ordering::Relaxed) {
                    let outcome = client.call();
                    // Half of them come anew each time.
                    if number % 2 == 0 {
                        client.connection = None;
                    }
                    told.send(outcome).unwrap();
                }
            })
        })
        .collect();
    drop(told);
    let mut calls = 0;
    let mut some = |count: usize| {
        for outcome in outcomes.iter().take(count) {
            calls += 1;
            assert_eq!(outcome, Ok(()), "call {calls}");
        }
    };
    some(50);
    let mut new = serve(&sandbox, &socket);
    some(50);
    let id = old.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(old.wait().unwrap().success());
    // These reach the new one alone.
    some(50);
    stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    some(usize::MAX);
    let id = new.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(new.wait().unwrap().success());
}
