//! Logging in by a browser, what is then known, and logging out.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

use crate::sandbox::{Ended, Sandbox};

/// The one who is asked: opens the address, and goes where it leads.
const BROWSER: &str = "#!/usr/bin/env python3
import sys, urllib.request
urllib.request.urlopen(sys.argv[1]).read()
";

/// A sandbox with a browser and a server called `mail` that wants a login.
struct Mail {
    sandbox: Sandbox,
    server: Child,
    /// Of the authorization server.
    origin: String,
}

impl Drop for Mail {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Mail {
    /// `mode` is an argument of `login.py`, `oauth` the entry in the configuration.
    fn start(mode: &str, oauth: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("bin/browse", BROWSER);
        let browser = sandbox.path().join("bin/browse");
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/login.py");
        let mut command = sandbox.command("python3");
        let mut server = command.args([script, mode]).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim();
        let entry =
            format!(r#"{{"mcpServers": {{"mail": {{"url": "{url}", "oauth": {oauth}}}}}}}"#);
        sandbox.write("mail.json", &entry);
        let origin = url.trim_end_matches("/mcp").to_owned();
        Self { sandbox, server, origin }
    }

    fn mcp(&self, arguments: &[&str]) -> Ended {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_mcp"));
        command.env("BROWSER", self.sandbox.path().join("bin/browse"));
        crate::sandbox::run(command.args(arguments).args(["--config", "mail.json"]))
    }

    fn ok(&self, arguments: &[&str]) -> Ended {
        let ended = self.mcp(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        assert!(!format!("{ended:?}").contains("s3cret"), "{ended:?}");
        ended
    }

    /// What the authorization server heard.
    fn heard(&self) -> Vec<serde_json::Value> {
        let host = self.origin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /heard HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

#[test]
fn logged_in_until_logged_out() {
    let mail = Mail::start("takes-back", "{}");
    let origin = &mail.origin;
    let nobody = mail.mcp(&["whoami", "mail"]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    assert!(nobody.stderr.contains("mcp login mail"), "{nobody:?}");

    let login = mail.ok(&["login", "mail"]);
    assert_eq!(
        login.stdout,
        format!("✓ logged in to mail  by {origin}, scopes tools, renews itself\n")
    );
    let known = mail.ok(&["whoami", "mail"]);
    assert_eq!(known.stdout, format!("mail  by {origin}, scopes tools, renews itself\n"));
    let told = mail.ok(&["whoami", "mail", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["loggedIn"], true);
    assert_eq!(told["scopes"], serde_json::json!(["tools"]));
    assert!(mail.ok(&["tools", "mail"]).stdout.contains("look"));

    let logout = mail.ok(&["logout", "mail"]);
    assert_eq!(
        logout.stdout,
        format!("the tokens of mail are forgotten, and {origin} took them back\n")
    );
    let heard = mail.heard();
    let revoked: Vec<_> = heard.iter().filter(|one| one["to"] == "revoke").collect();
    assert!(revoked.iter().any(|one| one["token"] == "s3cret-refresh"), "{revoked:?}");
    let again = mail.ok(&["logout", "mail"]);
    assert_eq!(again.stdout, "nobody was logged in to mail\n");
    assert_eq!(mail.mcp(&["whoami", "mail"]).code, Some(3));

    // The server may have forgotten the client, so the next login registers another.
    let registered = || mail.heard().iter().filter(|one| one["to"] == "register").count();
    assert_eq!(registered(), 1);
    mail.ok(&["login", "mail"]);
    assert_eq!(registered(), 2);
    // Not so while somebody is logged in.
    mail.ok(&["login", "mail"]);
    assert_eq!(registered(), 2);
}

/// A file with one server at the addresses of several, each with a login of its own.
fn replicated(mails: &[&Mail]) {
    let urls: Vec<_> = mails.iter().map(|mail| format!("{}/mcp", mail.origin)).collect();
    let entry =
        serde_json::json!({"mcpServers": {"mail": {"url": urls[0], "replicas": urls[1..]}}});
    mails[0].sandbox.write("mail.json", &entry.to_string());
}

#[test]
fn each_replica_is_logged_in_to() {
    let (one, two) = (Mail::start("takes-back", "{}"), Mail::start("takes-back", "{}"));
    replicated(&[&one, &two]);
    let login = one.ok(&["login", "mail"]);
    let line = |number: u32, mail: &Mail| {
        format!("✓ logged in to mail#{number}  by {}, scopes tools, renews itself\n", mail.origin)
    };
    assert_eq!(login.stdout, line(1, &one) + &line(2, &two));
    let told: serde_json::Value =
        serde_json::from_str(&one.ok(&["whoami", "mail", "--json"]).stdout).unwrap();
    let names: Vec<_> = told["replicas"].as_array().unwrap().iter().collect();
    assert!(names.iter().all(|one| one["loggedIn"] == true), "{told}");
    assert_eq!((&names[0]["server"], &names[1]["server"]), (&"mail#1".into(), &"mail#2".into()));
    // Both are used.
    let status = one.ok(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let replicas = status["servers"][0]["replicas"].as_array().unwrap();
    assert!(replicas.iter().all(|one| one["state"] == "ready"), "{status}");

    // One that cannot be reached keeps nobody from the other.
    let origin = two.origin.clone();
    drop(two);
    assert_eq!(one.mcp(&["logout", "mail"]).code, Some(7));
    let again = one.mcp(&["login", "mail"]);
    assert_eq!(again.code, Some(7), "{again:?}");
    assert_eq!(again.stdout, line(1, &one));
    assert!(again.stderr.contains("cannot log in to `mail#2`"), "{again:?}");
    assert!(again.stderr.contains(origin.trim_start_matches("http://")), "{again:?}");
    let known = one.mcp(&["whoami", "mail"]);
    assert_eq!(known.code, Some(7), "{known:?}");
    assert!(known.stderr.contains("nobody is logged in to `mail#2`"), "{known:?}");
}

#[test]
fn logged_out_where_tokens_are_not_taken_back() {
    let mail = Mail::start("", "{}");
    mail.ok(&["login", "mail"]);
    let logout = mail.ok(&["logout", "mail"]);
    assert_eq!(logout.stdout, "the tokens of mail are forgotten\n");
    assert!(logout.stderr.contains("takes no tokens back"), "{logout:?}");
    mail.ok(&["login", "mail"]);
    let told: serde_json::Value =
        serde_json::from_str(&mail.ok(&["logout", "mail", "--json"]).stdout).unwrap();
    assert_eq!((&told["loggedIn"], &told["revoked"]), (&false.into(), &false.into()));

    let mail = Mail::start("refuses-to", "{}");
    mail.ok(&["login", "mail"]);
    let logout = mail.mcp(&["logout", "mail"]);
    assert_eq!(logout.code, Some(3), "{logout:?}");
    assert!(logout.stderr.contains("good until they end"), "{logout:?}");
    // They are forgotten here all the same.
    assert_eq!(mail.ok(&["logout", "mail"]).stdout, "nobody was logged in to mail\n");
}

#[test]
fn the_port_of_the_configuration_is_listened_at() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let oauth = format!(r#"{{"clientId": "mine", "callbackPort": {free}}}"#);
    let mail = Mail::start("", &oauth);
    mail.ok(&["login", "mail"]);
    let heard = mail.heard();
    assert_eq!(heard[0]["redirect_uri"], format!("http://localhost:{free}/callback"));
    assert_eq!(heard[0]["client_id"], "mine");

    // Where another program has it, that is said, and no other port is used.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mail = Mail::start("", &format!(r#"{{"clientId": "mine", "callbackPort": {port}}}"#));
    let login = mail.mcp(&["login", "mail"]);
    assert_eq!(login.code, Some(3), "{login:?}");
    assert!(login.stderr.contains("in use"), "{login:?}");
    assert!(mail.heard().is_empty());
}

/// Ends at a first message that it does not know, as some servers do.
const STRICT: &str = r#"
import json, sys
with open("starts", "a") as starts:
    starts.write("x")
first = json.loads(sys.stdin.readline())
if first["method"] != "initialize":
    sys.exit(1)
def answer(message, **result):
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
answer(first, protocolVersion="2025-06-18", capabilities={"tools": {}}, serverInfo={"name": "s", "version": "1"})
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer(message, tools=[])
"#;

#[test]
fn what_a_server_speaks_is_remembered_for_the_next_command() {
    let sandbox = Sandbox::new();
    sandbox.write("strict.py", STRICT);
    let entry = r#"{"mcpServers": {"strict": {"command": "python3", "args": ["strict.py"]}}}"#;
    sandbox.write("strict.json", entry);
    let starts = || std::fs::read_to_string(sandbox.path().join("starts")).unwrap().len();
    let list = || {
        let ended = sandbox.mcp(&["tools", "strict", "--config", "strict.json"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    list();
    let first = starts();
    assert!(first > 1, "a probe, and one that it did not harm");
    let file = sandbox.path().join("home/.local/state/mcp/verdicts.json");
    assert!(std::fs::read_to_string(&file).unwrap().contains("strict.py"));
    list();
    assert_eq!(starts(), first + 1, "nothing is probed");
    // A file that nobody can read costs the probe, not the command.
    std::fs::write(&file, "broken").unwrap();
    list();
    assert!(starts() > first + 2);
}
