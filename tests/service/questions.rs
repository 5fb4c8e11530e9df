//! What servers ask and say during a call, through the service, in each pair of lifecycles.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_agent::service::{ServiceLimits, ServiceOptions};
use mcp_client::{
    Change, Client, EraChoice, Step,
    config::{ServerConfig, TransportConfig},
    protocol::{
        elicitation::ElicitResult,
        jsonrpc::{ErrorObject, Request},
        logging::LoggingLevel,
        object::Object,
        raw::RawJson,
        resources::{Resource, ResourceContents},
        subscriptions::SubscriptionFilter,
        version::{Era, ProtocolVersion},
    },
    testing::TestServer,
    transport::{
        BoxFuture,
        serve::{self, AskError, HttpServeConfig, Peer},
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::asking::Serving;

/// A server of one lifecycle whose one tool asks for a name, in the way of its lifecycle.
struct Curious {
    era: Era,
}

impl serve::Service for Curious {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(self.answer(request, peer))
    }
}

impl Curious {
    async fn answer(&self, request: Request, peer: &Peer) -> Result<RawJson, ErrorObject> {
        let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
        let is_modern = self.era == Era::Modern;
        let capabilities = json!({"tools": {}, "logging": {}});
        let info = json!({"name": "curious", "version": "1"});
        let mut result = match &*request.method {
            "initialize" if !is_modern => json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info,
            }),
            "server/discover" if is_modern => json!({
                "supportedVersions": [ProtocolVersion::V2026_07_28.as_str()],
                "capabilities": capabilities,
            }),
            "tools/list" => {
                json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]})
            }
            "logging/setLevel" | "ping" if !is_modern => json!({}),
            "tools/call" => {
                let said = json!({"level": "info", "data": "asking"});
                let _ = peer.notify("notifications/message", &said).await;
                let answer = if is_modern {
                    match params["inputResponses"].get("name") {
                        Some(answer) => answer.clone(),
                        None if params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
                            ["elicitation"]
                            .is_null() =>
                        {
                            return text("nobody to ask", true);
                        }
                        None => {
                            let question = json!({"method": "elicitation/create", "params": form()});
                            let asked = json!({
                                "resultType": "input_required", "requestState": "opaque é",
                                "inputRequests": {"name": question},
                            });
                            return Ok(asked.into());
                        }
                    }
                } else {
                    let mut form = form();
                    form["_meta"] = json!({"progressToken": 7, "test/kept": true});
                    match peer.ask("elicitation/create", &form).await {
                        Ok(answer) => answer.parse().unwrap_or_default(),
                        Err(AskError::Refused(_)) => return text("nobody to ask", false),
                        Err(error) => return text(&error.to_string(), false),
                    }
                };
                if is_modern && params["requestState"] != "opaque é" {
                    return text("the state is not the one that was given", true);
                }
                let name = answer["content"]["name"].as_str().unwrap_or("nobody");
                return text(&format!("Hello, {name}!"), is_modern);
            }
            _ => return Err(ErrorObject::new(-32601, "no such method")),
        };
        if is_modern {
            result["resultType"] = json!("complete");
        }
        Ok(result.into())
    }
}

fn named(name: &str) -> ElicitResult {
    let mut content = Object::new();
    content.insert("name", json!(name));
    ElicitResult::accept(content)
}

fn form() -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    json!({"mode": "form", "message": "Your name?", "requestedSchema": schema})
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that the caller returns")]
fn text(text: &str, is_modern: bool) -> Result<RawJson, ErrorObject> {
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if is_modern {
        result["resultType"] = json!("complete");
    }
    Ok(result.into())
}

/// A service in front of a curious server.
async fn in_front_of(era: Era, tasks: &mut JoinSet<()>) -> Serving {
    with_options(era, tasks, ServiceOptions::new()).await
}

async fn with_options(era: Era, tasks: &mut JoinSet<()>, options: ServiceOptions) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    tasks.spawn(async move {
        let service = Arc::new(Curious { era });
        let serving = serve::http(listener, service, HttpServeConfig::new(), pending());
        serving.await.expect("serves");
    });
    let transport = TransportConfig::Http { url, headers: [].into() };
    Serving::start(vec![ServerConfig::new("curious", transport)], options).await
}

fn builder(
    serving: &Serving,
    era: Era,
) -> mcp_client::ClientBuilder<impl mcp_client::transport::Connect> {
    let choice = if era == Era::Modern { EraChoice::Modern } else { EraChoice::Legacy };
    Client::http(format!("http://{}/mcp", serving.address)).era(choice)
}

const PAIRS: [(Era, Era); 4] = [
    (Era::Legacy, Era::Legacy),
    (Era::Legacy, Era::Modern),
    (Era::Modern, Era::Legacy),
    (Era::Modern, Era::Modern),
];

// covers: serve-questions
#[tokio::test]
async fn a_question_reaches_whoever_called() {
    for (server, client) in PAIRS {
        let mut tasks = JoinSet::new();
        let serving = in_front_of(server, &mut tasks).await;
        let asked = |name: &'static str| {
            builder(&serving, client).on_form(move |form, _| async move {
                assert_eq!(form.message, "Your name?");
                Ok(named(name))
            })
        };
        let (ada, bob) = (asked("Ada").connect().await, asked("Bob").connect().await);
        let (ada, bob) = (ada.expect("connects"), bob.expect("connects"));
        // Both at once: over HTTP each question belongs to its call.
        let (first, second) =
            tokio::join!(ada.call_tool("greet", json!({})), bob.call_tool("greet", json!({})));
        let pair = format!("{server:?} server, {client:?} client");
        assert_eq!(first.expect(&pair).joined_text(), "Hello, Ada!", "{pair}");
        assert_eq!(second.expect(&pair).joined_text(), "Hello, Bob!", "{pair}");
        ada.close().await;
        bob.close().await;
        serving.end().await;
    }
}

/// The end of the service waits for what is under way, and a client may never come back.
#[tokio::test]
async fn a_call_that_waits_for_its_client_does_not_hold_up_the_end() {
    let mut tasks = JoinSet::new();
    let mut limits = ServiceLimits::default();
    limits.drain = Duration::from_secs(3600);
    let options = ServiceOptions::new().limits(limits);
    let serving = with_options(Era::Legacy, &mut tasks, options).await;
    let client = builder(&serving, Era::Modern).connect().await.expect("connects");
    let step = client.call_tool("greet", json!({})).stepwise().await.expect("a step");
    assert!(matches!(step, Step::InputRequired(_)), "{step:?}");
    serving.end().await;
}

#[tokio::test]
async fn whoever_cannot_be_asked_is_not() {
    for (server, client) in PAIRS {
        let mut tasks = JoinSet::new();
        let serving = in_front_of(server, &mut tasks).await;
        let mute = builder(&serving, client).connect().await.expect("connects");
        let result = mute.call_tool("greet", json!({})).await.expect("a result");
        assert_eq!(result.joined_text(), "nobody to ask", "{server:?} server, {client:?} client");
        mute.close().await;
        serving.end().await;
    }
}

#[tokio::test]
async fn the_progress_token_of_a_question_stays_on_its_connection() {
    let mut tasks = JoinSet::new();
    let serving = in_front_of(Era::Legacy, &mut tasks).await;
    for era in [Era::Legacy, Era::Modern] {
        let asked = Arc::new(Mutex::new(None));
        let hearing = Arc::clone(&asked);
        let client = builder(&serving, era).on_form(move |form, _| {
            *hearing.lock().expect("not poisoned") = form.meta;
            async { Ok(named("Ada")) }
        });
        let client = client.connect().await.expect("connects");
        client.call_tool("greet", json!({})).await.expect("a result");
        client.close().await;
        let meta = asked.lock().expect("not poisoned").take().expect("an entry is kept");
        assert_eq!(meta.as_str(), r#"{"test/kept":true}"#, "{era:?}");
    }
    serving.end().await;
}

#[tokio::test]
async fn people_who_do_not_answer_keep_nobody_from_calling() {
    let mut tasks = JoinSet::new();
    let serving = in_front_of(Era::Legacy, &mut tasks).await;
    let client = builder(&serving, Era::Modern).connect().await.expect("connects");
    // More than there are places for one server, and for all.
    for _ in 0..12 {
        let step = client.call_tool("greet", json!({})).stepwise().await.expect("a step");
        assert!(matches!(step, Step::InputRequired(_)), "{step:?}");
    }
    let mute = builder(&serving, Era::Modern).connect().await.expect("connects");
    let result = mute.call_tool("greet", json!({})).await.expect("a result");
    assert_eq!(result.joined_text(), "nobody to ask");
    mute.close().await;
    client.close().await;
    serving.end().await;
}

// covers: serve-logs
#[tokio::test]
async fn log_messages_go_to_those_who_want_them() {
    for (server, client) in PAIRS {
        let mut tasks = JoinSet::new();
        let serving = in_front_of(server, &mut tasks).await;
        for (level, expected) in
            [(Some(LoggingLevel::Debug), 1), (Some(LoggingLevel::Error), 0), (None, 0)]
        {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let hearing = Arc::clone(&heard);
            let mut builder = builder(&serving, client)
                .on_log(move |message, _| hearing.lock().expect("not poisoned").push(message));
            if let Some(level) = &level {
                builder = builder.log_level(level.clone());
            }
            let client = builder.connect().await.expect("connects");
            client.call_tool("greet", json!({})).await.expect("a result");
            client.close().await;
            let heard = heard.lock().expect("not poisoned").len();
            assert_eq!(heard, expected, "{server:?} server, {level:?}");
        }
        serving.end().await;
    }
}

#[tokio::test]
async fn the_state_of_another_request_is_refused() {
    let mut tasks = JoinSet::new();
    let serving = in_front_of(Era::Legacy, &mut tasks).await;
    let client = builder(&serving, Era::Modern).connect().await.expect("connects");
    let step = client.call_tool("greet", json!({})).stepwise().await.expect("a step");
    let Step::InputRequired(pending) = step else { panic!("{step:?}") };
    let asked = pending.into_asked();
    let mut answers = mcp_client::protocol::input_required::InputResponses::default();
    let (key, _) = asked.input_requests.iter().next().expect("a question");
    answers.insert(key, json!(named("Ada")));
    let go_on = |arguments| {
        let request = client.call_tool("greet", arguments).stepwise();
        request.resume(answers.clone(), asked.request_state.clone())
    };
    let error = go_on(json!({"other": 1})).await.expect_err("refused");
    assert!(error.to_string().contains("belongs to another request"), "{error}");
    let step = go_on(json!({})).await.expect("a step");
    let Step::Complete(result) = step else { panic!("{step:?}") };
    assert_eq!(result.joined_text(), "Hello, Ada!");
    let error = go_on(json!({})).await.expect_err("it is over");
    assert!(error.to_string().contains("no call waits"), "{error}");
    client.close().await;
    serving.end().await;
}

// covers: serve-changes
#[tokio::test]
async fn changes_are_announced_to_clients_of_both_lifecycles() {
    let server = TestServer::new().only(Era::Legacy).capabilities(json!({
        "tools": {"listChanged": true}, "resources": {"subscribe": true},
    }));
    let server = server
        .resource(Resource::new("test://note", "note"), ResourceContents::text("test://note", "x"));
    // Over a byte stream, where it can say things unasked.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (mut tasks, upstream) = (JoinSet::new(), server.clone());
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (input, output) = stream.into_split();
            upstream.lines(input, output).await.expect("serves");
        }
    });
    let transport = TransportConfig::Http { url, headers: [].into() };
    let config = ServerConfig::new("one", transport);
    let serving = Serving::start(vec![config], ServiceOptions::new()).await;
    for era in [Era::Legacy, Era::Modern] {
        let client = builder(&serving, era).connect().await.expect("connects");
        let mut watch = client.watch(SubscriptionFilter {
            tools_list_changed: true,
            resource_subscriptions: vec!["test://note".to_owned()],
            ..SubscriptionFilter::default()
        });
        watch.ready().await;
        server.notify("notifications/tools/list_changed", json!({}));
        assert_eq!(watch.next().await, Some(Change::Tools), "{era:?}");
        server.notify("notifications/resources/updated", json!({"uri": "test://note"}));
        assert_eq!(watch.next().await, Some(Change::Resource("test://note".into())), "{era:?}");
        drop(watch);
        client.close().await;
    }
    serving.end().await;
}
