//! A login that somebody has to make first, told to whoever asks in the way that they know.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use mcp_agent::{
    caller::{Call, CallError, LoginRequired, Reply},
    layers::{Middleware, Next},
    model::{
        BoxFuture,
        scripted::{Scene, ScriptedModel},
    },
    service::{ChatOptions, ServiceOptions},
    stack::StackOptions,
};
use mcp_client::{
    Client, EraChoice, Step,
    config::{ServerConfig, TransportConfig},
    protocol::{
        elicitation::{ElicitParams, ElicitResult, ElicitUrlParams},
        error_code,
        input_required::{InputRequest, InputRequired, InputResponses},
        jsonrpc::ErrorObject,
        prompts::Prompt,
        resources::{Resource, ResourceContents},
        tools::Tool,
    },
    testing::{HttpTestServer, TestServer},
};
use serde_json::{Value, json};

use crate::asking::Serving;

const URL: &str = "https://gateway.test/connect/w-1";
const TEXT: &str = "log in, and ask again";

/// Lets nothing through before somebody has logged in, as a program may have it.
#[derive(Clone, Default)]
struct Gate {
    is_logged_in: Arc<AtomicBool>,
}

impl Gate {
    fn log_in(&self) {
        self.is_logged_in.store(true, Ordering::SeqCst);
    }
}

impl Middleware for Gate {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, CallError>> {
        if self.is_logged_in.load(Ordering::SeqCst) {
            return next.call(call);
        }
        let login = LoginRequired::new(call.server, URL, "w-1");
        Box::pin(async move { Err(login.into()) })
    }
}

/// A service in front of one server, at which nobody is logged in.
struct Stand {
    gate: Gate,
    server: TestServer,
    serving: Serving,
    _upstream: HttpTestServer,
}

impl Stand {
    async fn new(options: ServiceOptions) -> Self {
        let note = Resource::new("note://1", "note");
        let server = TestServer::new()
            .tool(Tool::new("search", json!({"type": "object"})), |_| "found".into())
            .resource(note, ResourceContents::text("note://1", "buy milk"))
            .prompt(Prompt::new("greet"), |_| "Hello".into());
        let upstream = server.http().await.unwrap();
        let transport =
            TransportConfig::Http { url: upstream.url().to_owned(), headers: [].into() };
        let gate = Gate::default();
        let options = options.layers(StackOptions::default().middleware(gate.clone()));
        let serving = Serving::start(vec![ServerConfig::new("notes", transport)], options).await;
        Self { gate, server, serving, _upstream: upstream }
    }

    fn calls(&self) -> usize {
        self.server.heard().params("tools/call").len()
    }

    /// A client whose person answers so to every page.
    async fn visitor(
        &self,
        era: EraChoice,
        answer: impl Fn(&ElicitUrlParams) -> ElicitResult + Send + Sync + 'static,
    ) -> Client {
        let client = Client::http(format!("http://{}/mcp", self.serving.address)).era(era);
        let visited = client.on_url(move |page, _| {
            let answer = answer(&page);
            async move { Ok(answer) }
        });
        visited.connect().await.unwrap()
    }

    async fn end(self, client: Client) {
        client.close().await;
        self.serving.end().await;
    }
}

fn refusal(error: &mcp_client::CallError) -> &ErrorObject {
    error.error_object().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test]
async fn a_modern_client_is_asked_to_visit_and_the_call_goes_on() {
    let stand = Stand::new(ServiceOptions::new()).await;
    let gate = stand.gate.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pages = Arc::clone(&seen);
    let client = stand.visitor(EraChoice::Modern, move |page| {
        pages.lock().unwrap().push(page.clone());
        gate.log_in();
        ElicitResult::accept_url()
    });
    let client = client.await;
    let result = client.call_tool("search", json!({})).await.unwrap();
    assert_eq!((result.joined_text().as_str(), stand.calls()), ("found", 1));
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].url.as_str(), &seen[0].elicitation_id), (URL, &None));
    assert!(seen[0].message.contains("`notes`") && !seen[0].message.contains("://"), "{seen:?}");
    stand.end(client).await;
}

#[tokio::test]
async fn who_is_not_logged_in_after_all_is_asked_once_more() {
    let stand = Stand::new(ServiceOptions::new()).await;
    let client = stand.visitor(EraChoice::Modern, |_| ElicitResult::accept_url()).await;
    let asks = |asked: &InputRequired| {
        let (key, question) = asked.input_requests.iter().next().unwrap();
        let InputRequest::Elicit(params) = question else { panic!("{question:?}") };
        assert!(matches!(&**params, ElicitParams::Url(page) if page.url == URL));
        key.to_owned()
    };
    let answer = |key: &str, result: &ElicitResult| {
        let mut answers = InputResponses::default();
        answers.insert(key, json!(result));
        answers
    };
    let step = client.call_tool("search", json!({})).stepwise().await.unwrap();
    let Step::InputRequired(pending) = step else { panic!("no question") };
    let asked = serde_json::to_value(&pending).unwrap();
    let key = asks(&serde_json::from_value(asked["asked"].clone()).unwrap());
    let visited = answer(&key, &ElicitResult::accept_url());
    let step = client.answer(pending, visited.clone()).await.unwrap();
    let Step::InputRequired(pending) = step else { panic!("no question") };
    stand.gate.log_in();
    let Step::Complete(result) = client.answer(pending, visited).await.unwrap() else {
        panic!("not at its end")
    };
    assert_eq!((result.joined_text().as_str(), stand.calls()), ("found", 1));
    stand.end(client).await;
}

#[tokio::test]
async fn a_modern_client_whose_person_does_not_want_to_is_told_so() {
    for answer in [ElicitResult::decline(), ElicitResult::cancel()] {
        let stand = Stand::new(ServiceOptions::new()).await;
        let client = stand.visitor(EraChoice::Modern, move |_| answer.clone()).await;
        let result = client.call_tool("search", json!({})).await.unwrap();
        let text = result.joined_text();
        assert!(result.is_error && text.contains("`notes`") && text.contains("declined"), "{text}");
        let error = client.read_resource("note://1").await.unwrap_err();
        assert!(refusal(&error).message.contains("declined"), "{error}");
        let error = client.get_prompt("greet").await.unwrap_err();
        assert_eq!(refusal(&error).code, error_code::INVALID_REQUEST);
        assert_eq!(stand.calls(), 0);
        stand.end(client).await;
    }
}

#[tokio::test]
async fn a_legacy_client_is_told_of_the_page_by_an_error() {
    let stand = Stand::new(ServiceOptions::new()).await;
    // Whoever declines has the error itself.
    let client = stand.visitor(EraChoice::Legacy, |_| ElicitResult::decline()).await;
    let errors = [
        client.call_tool("search", json!({})).await.unwrap_err(),
        client.read_resource("note://1").await.unwrap_err(),
        client.get_prompt("greet").await.unwrap_err(),
    ];
    for error in &errors {
        let object = refusal(error);
        assert_eq!(object.code, error_code::URL_ELICITATION_REQUIRED, "{object:?}");
        let data: Value = object.data.as_ref().unwrap().parse().unwrap();
        let page = &data["elicitations"][0];
        assert_eq!((&page["mode"], &page["url"]), (&json!("url"), &json!(URL)));
        assert_eq!(page["elicitationId"], "w-1");
        assert!(page["message"].as_str().unwrap().contains("`notes`"), "{page}");
    }
    stand.gate.log_in();
    let result = client.call_tool("search", json!({})).await.unwrap();
    assert_eq!(result.joined_text(), "found");
    let metrics = stand.serving.get("/metrics").await.body;
    assert!(metrics.contains(r#"error_type="-32042""#), "{metrics}");
    stand.end(client).await;
}

#[tokio::test]
async fn who_cannot_open_pages_is_told_in_words() {
    for era in [EraChoice::Modern, EraChoice::Legacy] {
        let stand = Stand::new(ServiceOptions::new()).await;
        let url = format!("http://{}/mcp", stand.serving.address);
        let client = Client::http(url).era(era).connect().await.unwrap();
        assert_eq!(client.list_tools().await.unwrap().items.len(), 1);
        let result = client.call_tool("search", json!({})).await.unwrap();
        let text = result.joined_text();
        assert!(result.is_error && text.contains(URL) && text.contains(TEXT), "{text}");
        let error = client.read_resource("note://1").await.unwrap_err();
        let object = refusal(&error);
        assert!(object.message.contains(URL), "{object:?}");
        let data: Value = object.data.as_ref().unwrap().parse().unwrap();
        assert_eq!(data, json!({"code": "login_required", "server": "notes", "login_url": URL}));
        stand.end(client).await;
    }
}

#[tokio::test]
async fn rest_says_it_as_a_problem() {
    let stand = Stand::new(ServiceOptions::new()).await;
    let call = json!({"server_name": "notes", "tool_name": "search"});
    let refused = stand.serving.post("/mcp/tools/call", &call).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:mcp:problem:login_required");
    assert_eq!((&problem["server"], &problem["login_url"]), (&json!("notes"), &json!(URL)));
    let accept = "accept: text/event-stream\r\n";
    let body = call.to_string();
    let streamed = stand.serving.ask("POST", "/mcp/tools/call", accept, Some(&body)).await.body;
    assert!(streamed.contains("event: problem") && streamed.contains(URL), "{streamed}");
    let read = json!({"server_name": "notes", "uri": "note://1"});
    assert_eq!(stand.serving.post("/mcp/resources/read", &read).await.status, 403);
    let told = stand.serving.events("", |told| told.contains("finished")).await;
    assert!(told.contains(r#""outcome":"login_required""#), "{told}");
    let status = stand.serving.get("/mcp/servers/notes").await.json();
    assert_eq!(status["server"]["state"], "ready", "{status}");
    let plan = json!({"plan": {"goal": "know", "steps": [{"id": "one", "tool": "notes.search"}]}});
    let run = stand.serving.post("/mcp/plans/run", &plan).await.json();
    let reason = run["steps"]["one"]["failed"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(URL), "{run}");
    stand.serving.end().await;
}

#[tokio::test]
async fn a_chat_tells_the_person_even_if_the_model_does_not() {
    let scenes = || [Scene::call("mcp__notes__search", "{}"), Scene::text("I could not look.")];
    let shaped = [Scene::call("mcp__notes__search", "{}"), Scene::text(r#"{"found":false}"#)];
    let said =
        [Scene::call("mcp__notes__search", "{}"), Scene::text(format!("Please open {URL} first."))];
    let all = scenes().into_iter().chain(scenes()).chain(scenes()).chain(shaped).chain(said);
    let model = ScriptedModel::new(all);
    let stand = Stand::new(ServiceOptions::new().chat(ChatOptions::new(model.clone()))).await;
    let path = "/v1/chat/completions";
    let mut body = json!({"messages": [{"role": "user", "content": "Look."}]});
    let content = |answer: &Value| {
        answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    let logins = json!([{"server": "notes", "login_url": URL}]);

    let answer = stand.serving.post(path, &body).await.json();
    let text = content(&answer);
    assert!(text.starts_with("I could not look.\n\nLog in to `notes`"), "{answer}");
    assert!(text.ends_with(URL) && answer["logins"] == logins, "{answer}");
    // The model got it as the result of its call.
    let told = serde_json::to_string(&model.requests()[1].messages).unwrap();
    assert!(told.contains(URL), "{told}");

    body["stream"] = true.into();
    let streamed = stand.serving.post(path, &body).await.body;
    let chunks = streamed.lines().filter_map(|line| line.strip_prefix("data: {"));
    let chunks: Vec<Value> =
        chunks.map(|chunk| serde_json::from_str(&format!("{{{chunk}")).unwrap()).collect();
    let text: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(text.starts_with("I could not look.") && text.ends_with(URL), "{streamed}");
    assert_eq!(chunks.last().unwrap()["logins"], logins);

    let answer =
        stand.serving.post("/v1/responses", &json!({"input": "Look.", "model": "any"})).await;
    let output = answer.json()["output"].clone();
    let words = output.as_array().unwrap().last().unwrap()["content"][0]["text"].clone();
    assert!(words.as_str().unwrap().ends_with(URL), "{answer:?}");

    // What has to be of a certain shape stays so.
    body["stream"] = false.into();
    body["response_format"] = json!({"type": "json_schema", "json_schema": {
        "name": "found", "schema": {"type": "object", "properties": {"found": {"type": "boolean"}}},
    }});
    let answer = stand.serving.post(path, &body).await.json();
    assert_eq!((content(&answer).as_str(), &answer["logins"]), (r#"{"found":false}"#, &logins));

    body.as_object_mut().unwrap().remove("response_format");
    let answer = stand.serving.post(path, &body).await.json();
    assert_eq!(content(&answer).matches(URL).count(), 1, "{answer}");
    stand.serving.end().await;
}
