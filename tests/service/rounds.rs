//! Answers to a server's questions reach that server and no other.

use mcp_agent::service::ServiceOptions;
use mcp_client::{
    Client, EraChoice, Step,
    config::{ServerConfig, TransportConfig},
    protocol::{
        input_required::{InputRequired, InputResponses},
        tools::Tool,
        version::Era,
    },
    testing::{Answer, HttpTestServer, TestServer},
};
use serde_json::{Value, json};

use crate::asking::Serving;

fn asked(state: &str) -> Answer {
    let schema = json!({"type": "object", "properties": {"password": {"type": "string"}}});
    let form = json!({"mode": "form", "message": "Who?", "requestedSchema": schema});
    Answer::result(json!({
        "resultType": "input_required", "requestState": state,
        "inputRequests": {"login": {"method": "elicitation/create", "params": form}},
    }))
}

fn answers() -> InputResponses {
    let mut answers = InputResponses::default();
    answers.insert("login", json!({"action": "accept", "content": {"password": "a secret"}}));
    answers
}

/// A modern server whose resources are not listed, only their template.
fn with_template(read: impl FnMut(&Value) -> Answer + Send + 'static) -> TestServer {
    let templates = json!([{"name": "any", "uriTemplate": "test://{name}"}]);
    TestServer::new()
        .only(Era::Modern)
        .capabilities(json!({"resources": {}}))
        .on("resources/templates/list", move |_| {
            Answer::result(json!({"resultType": "complete", "resourceTemplates": templates}))
        })
        .on("resources/read", read)
}

fn with_tool(name: &str) -> TestServer {
    TestServer::new()
        .only(Era::Modern)
        .tool(Tool::new(name, json!({"type": "object"})), |_| asked("of the tool"))
}

async fn in_front_of(servers: [(&str, &TestServer); 2]) -> (Serving, Client, Vec<HttpTestServer>) {
    let (mut configs, mut running) = (Vec::new(), Vec::new());
    for (name, server) in servers {
        let server = server.http().await.expect("serves");
        let url = server.url().to_owned();
        configs.push(ServerConfig::new(name, TransportConfig::Http { url, headers: [].into() }));
        running.push(server);
    }
    let serving = Serving::start(configs, ServiceOptions::new()).await;
    let url = format!("http://{}/mcp", serving.address);
    let client = Client::http(url).era(EraChoice::Modern).connect().await.expect("connects");
    (serving, client, running)
}

fn questions<M: mcp_client::protocol::method::Method, T>(step: Step<M, T>) -> InputRequired {
    let Step::InputRequired(pending) = step else { panic!("nothing is asked") };
    pending.into_asked()
}

// covers: serve-questions
#[tokio::test]
async fn answers_about_a_resource_go_only_to_the_server_that_asked() {
    let elsewhere = with_template(|_| Answer::error(-32602, "there is no such resource"));
    let asking = with_template(|params| {
        if params["inputResponses"].is_null() {
            return asked("of the resource");
        }
        let contents = json!([{"uri": "test://x", "text": params["requestState"]}]);
        Answer::result(json!({"resultType": "complete", "contents": contents}))
    });
    let (serving, client, _running) = in_front_of([("a", &elsewhere), ("b", &asking)]).await;
    let read = || client.read_resource("test://x").stepwise();
    let asked = questions(read().await.expect("a step"));
    // Without what was given with the questions the answers are for nobody.
    let again = read().resume(answers(), None).await.expect("a step");
    assert_eq!(questions(again).input_requests, asked.input_requests);
    let step = read().resume(answers(), asked.request_state).await.expect("a step");
    let Step::Complete(result) = step else { panic!("{step:?}") };
    assert_eq!(result.contents[0].as_text(), Some("of the resource"));
    let (there, elsewhere) = (asking.heard(), elsewhere.heard());
    let given = |params: &Value| !params["inputResponses"].is_null();
    assert_eq!(there.params("resources/read").iter().filter(|one| given(one)).count(), 1);
    let heard = elsewhere.params("resources/read");
    assert!(!heard.is_empty() && !heard.iter().any(given), "{heard:?}");
    client.close().await;
    serving.end().await;
}

#[tokio::test]
async fn answers_to_one_server_are_not_for_the_tool_of_another() {
    let (one, other) = (with_tool("first"), with_tool("second"));
    let (serving, client, _running) = in_front_of([("a", &one), ("b", &other)]).await;
    let step = client.call_tool("first", json!({})).stepwise().await.expect("a step");
    let state = questions(step).request_state;
    let request = client.call_tool("second", json!({})).stepwise();
    let error = request.resume(answers(), state).await.expect_err("refused");
    assert!(error.to_string().contains("belongs to another request"), "{error}");
    assert!(other.heard().params("tools/call").is_empty());
    client.close().await;
    serving.end().await;
}

#[tokio::test]
async fn answers_that_come_at_once_reach_the_one_server_that_has_the_tool() {
    let (one, other) = (with_tool("first"), with_tool("second"));
    let (serving, client, _running) = in_front_of([("a", &one), ("b", &other)]).await;
    let request = client.call_tool("second", json!({})).stepwise();
    questions(request.resume(answers(), None).await.expect("a step"));
    let heard = other.heard().params("tools/call");
    assert_eq!(heard[0]["inputResponses"]["login"]["content"]["password"], "a secret");
    assert!(one.heard().params("tools/call").is_empty());
    client.close().await;
    serving.end().await;
}
