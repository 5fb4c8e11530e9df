//! An MCP server that has something else for everybody, and the authorization server that exchanges
//! tokens for it, on one port.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use url::form_urlencoded;

use crate::consent::{self, Consent};

/// Both servers; dropping it ends them.
pub(crate) struct Mailbox {
    origin: String,
    world: Arc<Mutex<World>>,
    _connections: JoinSet<()>,
}

/// What they saw, and what they are to do.
#[derive(Default)]
pub(crate) struct World {
    /// What the token endpoint says in place of a token.
    pub(crate) refusal: Option<&'static str>,
    /// The forms that came to the token endpoint, and the client that sent them.
    pub(crate) exchanges: Vec<(HashMap<String, String>, String)>,
    /// Who asked what: the method by whose token, and the token.
    pub(crate) asked: Vec<(String, String, String)>,
    /// All else that requests to the MCP server had in their heads.
    pub(crate) heads: Vec<String>,
    /// How people log in, where no tokens are exchanged.
    pub(crate) consent: Consent,
    /// How many of the first tokens are not good any more.
    ended: usize,
    /// What is said of a tool that everybody has.
    pub(crate) described: &'static str,
    /// How many tools each has beside the usual ones; who listens is told.
    more: BTreeMap<String, watch::Sender<usize>>,
}

impl World {
    /// Whose connections asked for something.
    pub(crate) fn who_asked(&self, method: &str) -> Vec<&str> {
        let asked = self.asked.iter().filter(|(asked, ..)| asked == method);
        asked.map(|(_, who, _)| who.as_str()).collect()
    }

    /// All tokens of before are not good any more.
    pub(crate) fn end_all(&mut self) {
        self.ended = self.exchanges.len();
    }

    /// The number of a new token.
    pub(crate) fn next_token(&mut self) -> usize {
        self.exchanges.push((HashMap::new(), String::new()));
        self.exchanges.len()
    }

    fn more(&mut self, who: &str) -> &watch::Sender<usize> {
        self.more.entry(who.to_owned()).or_default()
    }

    /// Gives somebody another tool, and tells their connections.
    pub(crate) fn give(&mut self, who: &str) {
        self.more(who).send_modify(|count| *count += 1);
    }
}

impl Mailbox {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::<Mutex<World>>::default();
        let mut connections = JoinSet::new();
        let (known, place) = (Arc::clone(&world), origin.clone());
        connections.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream, place.clone(), Arc::clone(&known)));
            }
        });
        Self { origin, world, _connections: connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    pub(crate) fn token_url(&self) -> String {
        format!("{}/token", self.origin)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

async fn serve(stream: TcpStream, origin: String, world: Arc<Mutex<World>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut start = String::new();
        if stream.read_line(&mut start).await.unwrap_or(0) == 0 {
            return;
        }
        let (mut headers, mut head) = (HashMap::new(), start.clone());
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            head.push_str(&line);
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let credentials = headers.get("authorization").cloned().unwrap_or_default();
        let person = headers.get("x-person").map_or("", String::as_str);
        let consented = {
            let mut world = world.lock().unwrap();
            consent::answer(&origin, (&start, person), &body, &mut world)
        };
        if let Some((status, more, answer)) = consented {
            answer_saying(&mut stream, status, &more, &answer).await;
            if headers.get("connection").is_some_and(|said| said == "close") {
                return;
            }
            continue;
        }
        if start.starts_with("POST /token ") {
            let form = form_urlencoded::parse(&body).into_owned().collect();
            let (status, answer) = exchange(&mut world.lock().unwrap(), form, credentials);
            answer_with(&mut stream, status, &answer).await;
            continue;
        }
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let who = {
            let mut world = world.lock().unwrap();
            world.heads.push(head + &String::from_utf8_lossy(&body));
            let token = credentials.strip_prefix("Bearer at-").unwrap_or_default();
            let (who, number) = token.split_once('-').unwrap_or_default();
            let is_good = number.parse().is_ok_and(|number: usize| number > world.ended);
            let who = who.to_owned();
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            let asks_more = world.consent.is_on
                && message["params"]["name"] == "send"
                && !world.consent.covers(&credentials, "send");
            if is_good {
                world.asked.push((method, who.clone(), credentials));
            }
            match (is_good, asks_more) {
                (true, false) => Ok(who),
                (true, true) => Err((403, r#", error="insufficient_scope", scope="send""#)),
                (false, _) => Err((401, "")),
            }
        };
        let who = match who {
            Ok(who) => who,
            Err((status, more)) => {
                let challenge = consent::challenge(&origin);
                let challenge = format!("www-authenticate: {challenge}{more}\r\n");
                let is_on = world.lock().unwrap().consent.is_on;
                let said = if is_on { challenge.as_str() } else { "" };
                answer_saying(&mut stream, status, said, &json!({})).await;
                continue;
            }
        };
        if message["method"] == "subscriptions/listen" {
            return tell(stream, &message, &who, &world).await;
        }
        let (count, described, sends) = {
            let mut world = world.lock().unwrap();
            let count = *world.more(&who).borrow();
            (count, world.described, world.consent.is_on)
        };
        let answer = if let Some(mut result) = result(&message, &who, count, described, sends) {
            if result["resultType"].is_null() {
                result["resultType"] = json!("complete");
            }
            json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
        } else {
            let error = json!({"code": -32602, "message": "there is none for you"});
            json!({"jsonrpc": "2.0", "id": message["id"], "error": error})
        };
        answer_with(&mut stream, 200, &answer).await;
    }
}

/// A token for whoever the given one speaks of; its signature is the service's business.
fn exchange(world: &mut World, form: HashMap<String, String>, credentials: String) -> (u16, Value) {
    let claims = form["subject_token"].split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    world.exchanges.push((form, credentials));
    let number = world.exchanges.len();
    if let Some(refusal) = world.refusal {
        return (400, json!({"error": refusal, "error_description": "not for this person"}));
    }
    let token = format!("at-{}-{number}", claims["sub"].as_str().unwrap());
    (200, json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
}

fn result(message: &Value, who: &str, more: usize, described: &str, sends: bool) -> Option<Value> {
    let tool = |name: &str| {
        json!({
            "name": name, "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": true},
        })
    };
    let inbox = json!({"uri": format!("mail://{who}"), "name": format!("inbox of {who}")});
    let params = &message["params"];
    let task = |status: &str| {
        json!({
            "taskId": "t-1", "status": status, "createdAt": "2026-11-01T00:00:00Z",
            "lastUpdatedAt": "2026-11-01T00:00:00Z", "ttlMs": 60_000, "pollIntervalMs": 20,
        })
    };
    Some(match message["method"].as_str()? {
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {
                "tools": {"listChanged": true}, "resources": {}, "prompts": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
        }),
        "tools/list" => {
            let more = (0..more).map(|number| tool(&format!("more_{number}")));
            let mut whoami = tool("whoami");
            whoami["description"] = described.into();
            let usual = [whoami, tool(&format!("only_{who}")), tool("begin")];
            let more = more.chain(sends.then(|| tool("send")));
            json!({"tools": usual.into_iter().chain(more).collect::<Vec<_>>()})
        }
        "resources/list" => json!({"resources": [inbox]}),
        "resources/templates/list" => json!({"resourceTemplates": []}),
        "resources/read" if params["uri"] == inbox["uri"] => {
            // What is cached for one is for nobody else.
            json!({
                "contents": [{"uri": inbox["uri"], "text": format!("for {who}")}],
                "ttlMs": 60_000, "cacheScope": "public",
            })
        }
        "prompts/list" => json!({"prompts": [{"name": format!("greet_{who}")}]}),
        "prompts/get" if params["name"] == format!("greet_{who}") => {
            let content = json!({"type": "text", "text": format!("I am {who}")});
            json!({"messages": [{"role": "user", "content": content}]})
        }
        "tools/call" if params["name"] == "whoami" => {
            json!({
                "content": [{"type": "text", "text": who}],
                "ttlMs": 60_000, "cacheScope": "public",
            })
        }
        "tools/call" if params["name"] == "send" => {
            json!({"content": [{"type": "text", "text": format!("sent by {who}")}]})
        }
        "tools/call" if params["name"] == "begin" => {
            let mut task = task("working");
            task["resultType"] = json!("task");
            task
        }
        "tasks/get" => task("working"),
        _ => return None,
    })
}

/// Says that the list of tools has changed, whenever it has.
async fn tell(mut stream: BufReader<TcpStream>, message: &Value, who: &str, world: &Mutex<World>) {
    let mut more = world.lock().unwrap().more(who).subscribe();
    let head = "HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let meta = json!({"io.modelcontextprotocol/subscriptionId": message["id"]});
    let granted = &message["params"]["notifications"];
    let params = json!({"notifications": granted, "_meta": meta});
    let method = "notifications/subscriptions/acknowledged";
    let mut next = json!({"jsonrpc": "2.0", "method": method, "params": params});
    let mut before = head;
    loop {
        let text = format!("{before}data: {next}\n\n");
        if stream.get_mut().write_all(text.as_bytes()).await.is_err() {
            return;
        }
        if more.changed().await.is_err() {
            return;
        }
        before = "";
        let method = "notifications/tools/list_changed";
        next = json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": meta}});
    }
}

async fn answer_with(stream: &mut BufReader<TcpStream>, status: u16, answer: &Value) {
    answer_saying(stream, status, "", answer).await;
}

/// With further lines in the head.
async fn answer_saying(stream: &mut BufReader<TcpStream>, status: u16, more: &str, answer: &Value) {
    let body = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    let _ = stream.get_mut().write_all(format!("{head}{body}").as_bytes()).await;
}
