//! A provider finds the start of each request in its cache, whatever servers do in between.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mcp_agent::{
    Agent,
    model::{
        ModelId, ModelRequest, anthropic, gemini, openai_chat, openai_responses,
        schema::SchemaCache,
        scripted::{Scene, ScriptedModel},
    },
    toolbox::McpToolset,
};
use mcp_client::{
    CatalogLists, Hub, HubOptions, StateKind,
    config::{ServerConfig, TransportConfig},
    protocol::tools::Tool,
    testing::{Answer, HttpTestServer, TestServer},
};
use serde_json::{Value, json};

/// The body of the request at each provider, as bytes.
fn bodies(request: &ModelRequest) -> Vec<(&'static str, String)> {
    let id = ModelId::new("api.example", "one");
    let schemas = &SchemaCache::default();
    let chat = openai_chat::encode::Encoding {
        id: &id,
        dialect: openai_chat::dialect::Dialect::of_host("api.openai.com"),
        stream: true,
        media: true,
        max_tokens: None,
        schemas,
    };
    let responses = openai_responses::Encoding {
        id: &id,
        max_tokens: None,
        media: true,
        stream: true,
        reasoning: true,
        strict_tools: true,
        schemas,
    };
    // Its marks wander along with the conversation; they are no part of what is cached.
    let messages = anthropic::Encoding {
        id: &id,
        max_tokens: None,
        media: true,
        stream: true,
        cache: false,
        strict_tools: false,
        schemas,
    };
    let gemini = gemini::Encoding { id: &id, max_tokens: None, media: true, schemas };
    let all = [
        ("chat", openai_chat::encode::encode(request, chat)),
        ("responses", openai_responses::encode(request, responses)),
        ("messages", anthropic::encode(request, messages)),
        ("gemini", gemini::encode(request, gemini)),
    ];
    all.map(|(name, body)| (name, String::from_utf8(body.unwrap().to_vec()).unwrap())).into()
}

/// Each later request starts with the bytes of the earlier one, up to the end of its conversation.
fn assert_grows(requests: &[ModelRequest]) {
    for (step, pair) in requests.windows(2).enumerate() {
        for ((name, early), (_, late)) in bodies(&pair[0]).into_iter().zip(bodies(&pair[1])) {
            let early = early.trim_end_matches(['}', ']']);
            assert!(late.len() > early.len());
            assert!(late.starts_with(early), "{name}, request {step}:\n{early}\n{late}");
        }
    }
}

fn tool(name: &str) -> Value {
    json!({
        "name": name,
        "description": format!("Does {name}."),
        "inputSchema": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "deep": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}},
        },
    })
}

/// Two servers over HTTP: one with a tool, and one that lists its tools in another order each time,
/// and has a new one when it is told to.
struct Servers {
    served: Vec<HttpTestServer>,
    has_more: Arc<AtomicBool>,
}

impl Servers {
    async fn start() -> Self {
        let has_more = Arc::new(AtomicBool::new(false));
        let (asked, more) = (AtomicUsize::new(0), Arc::clone(&has_more));
        let steady = TestServer::new()
            .tool(Tool::new("read", json!({"type": "object"})), |_| "what it says".into());
        let shuffling =
            TestServer::new().capabilities(json!({"tools": {}})).on("tools/list", move |_| {
                let mut tools = vec![tool("write"), tool("copy"), tool("move")];
                let by = asked.fetch_add(1, Ordering::SeqCst) % tools.len();
                tools.rotate_left(by);
                if more.load(Ordering::SeqCst) {
                    tools.insert(0, tool("archive"));
                }
                Answer::result(json!({
                    "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools,
                }))
            });
        let served = vec![steady.http().await.unwrap(), shuffling.http().await.unwrap()];
        Self { served, has_more }
    }

    fn configured(&self) -> Vec<ServerConfig> {
        let names = ["notes", "files"].into_iter();
        let urls = self.served.iter().map(|server| server.url().to_owned());
        let http = |url| TransportConfig::Http { url, headers: [].into() };
        names.zip(urls).map(|(name, url)| ServerConfig::new(name, http(url))).collect()
    }

    fn hub(&self) -> Hub {
        Hub::start(self.configured(), &HubOptions::default())
    }
}

async fn until_ready(hub: &Hub, server: &str) {
    let mut seen = 0;
    while hub.server(server).unwrap().status().state.kind() != StateKind::Ready {
        seen = hub.changed_since(seen).await;
    }
}

#[tokio::test]
async fn the_start_of_a_request_outlives_whatever_servers_do() {
    let servers = Servers::start().await;
    let calling = || Scene::call("mcp__notes__read", r#"{"path": "a"}"#);
    let model = ScriptedModel::new([
        calling(),
        Scene::text("Read."),
        calling(),
        Scene::text("Again."),
        Scene::text("Reloaded."),
        Scene::text("In another order."),
        Scene::text("In another process."),
    ]);
    let hub = servers.hub();
    let tools = McpToolset::of_hub(hub.clone()).await;
    let agent = Agent::builder(model.clone()).tools(tools).system("Be brief.").build();
    let finished = agent.run("Read a.").await.unwrap();

    // The server is connected to anew.
    hub.restart("notes");
    until_ready(&hub, "notes").await;
    let finished = agent.prompt(finished.run, "Once more.").await.unwrap();

    // The configuration is read again.
    hub.apply(servers.configured()).await;
    let finished = agent.prompt(finished.run, "And now?").await.unwrap();

    // A server lists the same tools in another order.
    let files = hub.server("files").unwrap();
    files.refresh_catalog(CatalogLists::TOOLS).await.unwrap();
    let finished = agent.prompt(finished.run, "Well?").await.unwrap();
    hub.close().await;

    // The program is started anew.
    let run = serde_json::from_str(&serde_json::to_string(&finished.run).unwrap()).unwrap();
    let hub = servers.hub();
    let tools = McpToolset::of_hub(hub.clone()).await;
    let agent = Agent::builder(model.clone()).tools(tools).system("Be brief.").build();
    agent.prompt(run, "Still there?").await.unwrap();
    hub.close().await;

    let requests = model.requests();
    assert_eq!(requests.len(), 7);
    assert_eq!(requests[0].tools.len(), 4);
    assert_grows(&requests);
}

#[tokio::test]
async fn a_new_tool_comes_with_the_next_prompt_and_last() {
    let servers = Servers::start().await;
    let hub = servers.hub();
    let tools = Arc::new(McpToolset::of_hub(hub.clone()).await);
    let model = ScriptedModel::new([
        Scene::call("mcp__notes__read", "{}"),
        Scene::text("Read."),
        Scene::text("There is a new one."),
    ]);
    let agent = Agent::builder(model.clone()).tools(Arc::clone(&tools)).build();
    let mut run = agent.run("Read a.");
    let mut finished = None;
    while let Some(event) = run.next().await {
        match event.unwrap() {
            // In the middle of the run, the other server has one more.
            mcp_agent::AgentEvent::ToolCallStarted(_) => {
                servers.has_more.store(true, Ordering::SeqCst);
                let files = hub.server("files").unwrap();
                files.refresh_catalog(CatalogLists::TOOLS).await.unwrap();
            }
            mcp_agent::AgentEvent::Finished(ended) => finished = Some(ended),
            _ => {}
        }
    }
    agent.prompt(finished.unwrap().run, "And now?").await.unwrap();
    hub.close().await;
    let requests = model.requests();
    assert_grows(&requests[..2]);
    // Then it stands behind those that were there.
    let (before, after) = (&requests[1].tools, &requests[2].tools);
    assert_eq!((before.len(), after.len()), (4, 5));
    assert_eq!(after[..4], before[..]);
    assert_eq!(after[4].name, "mcp__files__archive");
}
