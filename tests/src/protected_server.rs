//! An MCP server that wants a token, and its authorization server, on one port of this machine.
//!
//! For what no real server does on demand: tokens that end at a certain moment, refresh tokens
//! that are taken back, consent that is refused.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::{Url, form_urlencoded};

/// The two servers; dropping it ends them.
#[derive(Debug)]
pub struct ProtectedServer {
    origin: String,
    world: Arc<Mutex<World>>,
    _connections: JoinSet<()>,
}

/// What the servers do and what they saw.
#[derive(Debug, Default)]
pub struct World {
    /// The one access token that is good.
    pub access_token: Option<String>,
    /// The one refresh token that is good; each is replaced when it is used.
    pub refresh_token: Option<String>,
    /// `expires_in` of the tokens.
    pub expires_in: Option<u64>,
    /// The person says no.
    pub refuses: bool,
    /// Says who the person is (OpenID Connect).
    pub id_token: Option<String>,
    /// The metadata of the MCP server answers 503.
    pub overloaded: bool,
    /// Where the metadata of the MCP server redirects to.
    pub elsewhere: Option<String>,
    /// What the registration endpoint says instead of registering.
    pub registration_error: Option<Value>,
    /// The only authentication method that a client may register for.
    pub registers_only: Option<&'static str>,
    /// What the authorization endpoint says to clients whose id is a document.
    pub document_error: Option<&'static str>,
    /// What the token endpoint says to them.
    pub document_token_error: Option<&'static str>,
    /// What the token endpoint says to everybody until a client registers.
    pub client_error: Option<&'static str>,
    /// What clients said of themselves when they registered.
    pub registrations: Vec<Value>,
    /// What the metadata of the authorization server says beside the usual.
    pub more_metadata: Value,
    /// The forms that came to the revocation endpoint.
    pub revocations: Vec<HashMap<String, String>>,
    /// The revocation endpoint answers 503.
    pub keeps_tokens: bool,
    /// Methods and paths of all requests, in order.
    pub requests: Vec<String>,
    /// The forms that came to the token endpoint.
    pub token_requests: Vec<HashMap<String, String>>,
    /// The queries of the authorization requests.
    pub authorizations: Vec<HashMap<String, String>>,
    /// The parameters of the last `initialize`.
    pub initialize: Option<Value>,
    issued: u32,
}

impl World {
    /// How often a path was asked for, such as `POST /token`.
    pub fn count(&self, request: &str) -> usize {
        self.requests.iter().filter(|one| *one == request).count()
    }

    fn issue(&mut self) -> Value {
        self.issued += 1;
        let (access, refresh) =
            (format!("access-{}", self.issued), format!("refresh-{}", self.issued));
        let mut tokens =
            json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer"});
        if let Some(seconds) = self.expires_in {
            tokens["expires_in"] = seconds.into();
        }
        if let Some(id_token) = &self.id_token {
            tokens["id_token"] = id_token.as_str().into();
        }
        (self.access_token, self.refresh_token) = (Some(access), Some(refresh));
        tokens
    }
}

impl ProtectedServer {
    /// Starts both.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(Mutex::new(World::default()));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, origin.clone(), Arc::clone(&world)));
        Ok(Self { origin, world, _connections: connections })
    }

    /// The URL of the MCP server.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.origin
    }

    /// What the servers do and saw. Not to be held across an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }
}

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, origin: String, world: Arc<Mutex<World>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (origin, world) = (origin.clone(), Arc::clone(&world));
        connections.spawn(async move {
            // The client may hang up whenever it likes.
            let _ = serve(stream, &origin, &world).await;
        });
    }
}

async fn serve(stream: TcpStream, origin: &str, world: &Mutex<World>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = Request {
            method,
            url: Url::parse(&format!("{origin}{target}")).map_err(io::Error::other)?,
            token: headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")),
            body: &body,
        };
        let Reply { status, headers, body } = answer(&request, origin, &mut locked(world));
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\ncontent-type: application/json\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(text.as_bytes()).await?;
    }
}

struct Request<'a> {
    method: &'a str,
    url: Url,
    token: Option<&'a str>,
    body: &'a [u8],
}

#[derive(Default)]
struct Reply {
    status: u16,
    headers: String,
    body: String,
}

fn ok(body: &Value) -> Reply {
    Reply { status: 200, headers: String::new(), body: body.to_string() }
}

fn error(body: &Value) -> Reply {
    Reply { status: 400, ..ok(body) }
}

fn redirect(to: &str) -> Reply {
    Reply { status: 302, headers: format!("location: {to}\r\n"), body: String::new() }
}

fn answer(request: &Request<'_>, origin: &str, world: &mut World) -> Reply {
    let route = format!("{} {}", request.method, request.url.path());
    world.requests.push(route.clone());
    let form = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<HashMap<_, _>>();
    match route.as_str() {
        "POST /mcp"
            if request.token.is_some() && request.token == world.access_token.as_deref() =>
        {
            mcp(request.body, world)
        }
        "POST /mcp" => Reply {
            status: 401,
            headers: format!(
                "www-authenticate: Bearer resource_metadata=\"{origin}/metadata\", scope=\"tools\"\r\n"
            ),
            ..Reply::default()
        },
        "GET /metadata" if world.overloaded => Reply { status: 503, ..Reply::default() },
        "GET /metadata" => match &world.elsewhere {
            Some(elsewhere) => redirect(elsewhere),
            None => ok(&json!({
                "resource": format!("{origin}/mcp"), "authorization_servers": [origin],
            })),
        },
        "GET /.well-known/oauth-authorization-server" | "GET /elsewhere" => ok(&more(
            json!({
                "issuer": origin,
                "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"),
                "registration_endpoint": format!("{origin}/register"),
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": true,
            }),
            &world.more_metadata,
        )),
        "POST /register" => register(request.body, world),
        "POST /revoke" if world.keeps_tokens => Reply { status: 503, ..Reply::default() },
        "POST /revoke" => {
            world.revocations.push(form(request.body));
            Reply { status: 200, ..Reply::default() }
        }
        "GET /authorize" => {
            let query = form(request.url.query().unwrap_or_default().as_bytes());
            let outcome = match world.document_error {
                _ if world.refuses => "error=access_denied".to_owned(),
                Some(error) if is_document(&query) => format!("error={error}"),
                _ => "code=the-code".to_owned(),
            };
            let location = format!(
                "{}?{outcome}&state={}&iss={origin}",
                query["redirect_uri"], query["state"]
            );
            world.authorizations.push(query);
            redirect(&location)
        }
        "POST /token" => {
            let form = form(request.body);
            let good = match form["grant_type"].as_str() {
                "authorization_code" => form["code"] == "the-code",
                "client_credentials" => true,
                "refresh_token" => Some(&form["refresh_token"]) == world.refresh_token.as_ref(),
                _ => false,
            };
            let refusal = world.document_token_error.filter(|_| is_document(&form));
            let refusal = refusal.or(world.client_error);
            world.token_requests.push(form);
            if let Some(refusal) = refusal {
                return error(&json!({"error": refusal}));
            }
            if good { ok(&world.issue()) } else { error(&json!({"error": "invalid_grant"})) }
        }
        _ => Reply { status: 404, ..Reply::default() },
    }
}

/// Whether the client's id is the URL of a document about it.
fn is_document(form: &HashMap<String, String>) -> bool {
    form.get("client_id").is_some_and(|id| id.starts_with("https://"))
}

/// A document with more entries, or others.
fn more(mut document: Value, more: &Value) -> Value {
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more.clone());
    }
    document
}

fn register(body: &[u8], world: &mut World) -> Reply {
    let client: Value = serde_json::from_slice(body).unwrap_or_default();
    world.client_error = None;
    world.registrations.push(client.clone());
    if let Some(refusal) = &world.registration_error {
        return error(refusal);
    }
    let method = &client["token_endpoint_auth_method"];
    if world.registers_only.is_some_and(|only| method != only) {
        return error(&json!({"error": "invalid_client_metadata"}));
    }
    let registered = json!({
        "client_id": "registered", "client_secret": "hush", "token_endpoint_auth_method": method,
    });
    Reply { status: 201, ..ok(&registered) }
}

/// The server behind the token, of revision 2025-11-25.
fn mcp(body: &[u8], world: &mut World) -> Reply {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return Reply { status: 400, ..Reply::default() };
    };
    let result = match message["method"].as_str() {
        Some("initialize") => {
            world.initialize = Some(message["params"].clone());
            json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "protected", "version": "1"},
            })
        }
        Some("tools/list") => {
            json!({"tools": [{"name": "look", "inputSchema": {"type": "object"}}]})
        }
        Some("tools/call") => json!({"content": [{"type": "text", "text": "ok"}]}),
        _ => return Reply { status: 202, ..Reply::default() },
    };
    ok(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}
