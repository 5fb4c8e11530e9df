//! Typed resources: what is sent to the server, and what is refused before.

use mcp_agent::resources::{
    BindError, EntryKind, Profile, ResourceError, Shape, ShapeError, Step, TypedResource, Verb,
};
use mcp_client::{
    protocol::{
        resources::{Resource, ResourceContents},
        tools::{CallToolResult, Tool},
    },
    testing::{Answer, TestServer},
};
use serde::Deserialize;
use serde_json::{Value, json};

fn any(name: &str) -> Tool {
    Tool::new(name, json!({"type": "object"}))
}

async fn open(server: &TestServer, profile: Profile) -> TypedResource {
    let client = server.client().connect().await.unwrap();
    TypedResource::of_client("it", client, profile).await.unwrap()
}

/// The arguments of every call so far.
fn calls(server: &TestServer) -> Vec<Value> {
    let params = server.heard().params("tools/call");
    params.into_iter().map(|params| params["arguments"].clone()).collect()
}

#[derive(Debug, PartialEq, Deserialize)]
struct User {
    name: String,
    age: u8,
}

#[tokio::test]
async fn rows_are_typed_and_parameters_are_literals_where_a_server_takes_text_only() {
    let server =
        TestServer::new().tool(any("query"), |arguments| match arguments["sql"].as_str() {
            Some(sql) if sql.contains("nothing") => "[]".into(),
            Some(sql) if sql.contains("odd") => r#"[{"name": "Ada", "age": "old"}]"#.into(),
            _ => r#"[{"name": "Ada", "age": 36}]"#.into(),
        });
    let db = open(&server, Profile::postgres()).await;
    let users: Vec<User> =
        db.execute("SELECT * FROM users WHERE name = ? AND age > ?", ("O'Hara", 3)).await.unwrap();
    assert_eq!(users, [User { name: "Ada".to_owned(), age: 36 }]);
    assert_eq!(
        calls(&server),
        [json!({"sql": "SELECT * FROM users WHERE name =  ('O''Hara')  AND age >  (3) "})]
    );
    assert!(db.execute::<User>("SELECT nothing", ()).await.unwrap().is_empty());
    let error = db.execute::<User>("SELECT odd", ()).await.unwrap_err();
    assert!(matches!(error, ResourceError::Shape { source: ShapeError::Json(_), .. }), "{error:?}");

    // Nothing of these reaches the server.
    let sent = calls(&server).len();
    let error = db.execute::<Value>("SELECT ?", ["a", "b"]).await.unwrap_err();
    let ResourceError::Bind(error) = error else { panic!("{error:?}") };
    assert_eq!(error, BindError::Count { wanted: 1, given: 2 });
    assert!(db.execute::<Value>("COMMIT; DROP TABLE users", ()).await.is_err());
    let error = db.execute::<Value>("SELECT ?", "a").await.unwrap_err();
    assert!(matches!(error, ResourceError::Argument { name: "params", .. }), "{error:?}");
    let error = db.get::<Value>("key").await.unwrap_err();
    assert_eq!(error.to_string(), "server `it` has no verb `get`; its profile has `execute`");
    assert_eq!(calls(&server).len(), sent);
}

#[tokio::test]
async fn parameters_are_an_argument_where_the_tool_takes_them_and_else_refused() {
    let server = TestServer::new()
        .tool(any("run"), |_| CallToolResult::text("").into_structured(json!({"rows": [[1]]})));
    let arguments = json!({"statement": "{sql}", "values": "{params}"});
    let step = Step::tool("run", arguments).shape(Shape::JsonAt("/rows".to_owned()));
    let db = open(&server, Profile::new("own").verb(Verb::Execute, step)).await;
    let rows: Vec<Vec<u8>> = db.execute("SELECT ?; --", [json!("'"), json!(null)]).await.unwrap();
    assert_eq!(rows, [[1]]);
    assert_eq!(calls(&server), [json!({"statement": "SELECT ?; --", "values": ["'", null]})]);

    let text = Profile::new("text").verb(Verb::Execute, Step::tool("run", json!({"s": "{sql}"})));
    let db = open(&server, text).await;
    let error = db.execute::<Value>("SELECT ?", [1]).await.unwrap_err();
    assert!(matches!(error, ResourceError::Bind(BindError::TextOnly { .. })), "{error:?}");
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn a_missing_tool_is_told_before_anything_is_done() {
    let server = TestServer::new().tool(any("get"), |_| "".into());
    let client = server.client().connect().await.unwrap();
    let error = TypedResource::of_client("it", client, Profile::redis()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "server `it` has no tool `set`, which its profile needs for `set`; it has `get`"
    );
}

#[tokio::test]
async fn keys_that_are_missing_and_servers_that_fail() {
    let server = TestServer::new()
        .tool(any("get"), |arguments| match arguments["key"].as_str() {
            Some("user") => r#"{"name": "Ada", "age": 36}"#.into(),
            Some("bad") => CallToolResult::error("the store is away").into(),
            key => format!("Key not found: {}", key.unwrap_or_default()).into(),
        })
        .tool(any("set"), |_| "OK".into())
        .tool(any("delete"), |_| "OK".into())
        .tool(any("list"), |_| "Found keys:\na\nb".into());
    let store = open(&server, Profile::redis()).await;
    let user: Option<User> = store.get("user").await.unwrap();
    assert_eq!(user.unwrap().age, 36);
    assert_eq!(store.get::<User>("gone").await.unwrap(), None);
    assert_eq!(store.keys("*").await.unwrap(), ["a", "b"]);
    let error = store.get::<User>("bad").await.unwrap_err();
    assert_eq!(error.to_string(), "`get` failed: the store is away");
    store.set("n", &json!({"a": 1})).await.unwrap();
    let minute = std::time::Duration::from_millis(59_500);
    store.set_for("n", "42", minute).await.unwrap();
    assert_eq!(
        calls(&server)[4..],
        [
            json!({"key": "n", "value": r#"{"a":1}"#}),
            json!({"key": "n", "value": r#""42""#, "expireSeconds": 60}),
        ]
    );
}

#[tokio::test]
async fn resources_serve_as_files_and_addresses() {
    let server = TestServer::new()
        .resource(
            Resource::new("file:///a%20b.txt", "a b"),
            ResourceContents::text("file:///a%20b.txt", "words"),
        )
        .tool(any("tree"), |_| {
            r#"[{"name": "a", "type": "directory", "children": [{"name": "b", "type": "file"}]}]"#
                .into()
        })
        .tool(any("http"), |arguments| format!("got: {}", arguments["url"]).into());
    let profile = Profile::new("own")
        .verb(Verb::Read, Step::resource("file:///{path}").shape(Shape::Text))
        .verb(Verb::ListRecursive, Step::tool("tree", json!({})).shape(Shape::Tree))
        .verb(
            Verb::HttpGet,
            Step::tool("http", json!({"url": "{url}"})).shape(Shape::Text).after("got: "),
        )
        .base_url("https://api.example/v1");
    let own = open(&server, profile).await;
    assert_eq!(own.read("a b.txt").await.unwrap(), "words");
    let entries = own.list_recursive(".").await.unwrap();
    assert_eq!((entries[1].path.as_str(), entries[1].kind), ("a/b", EntryKind::File));
    let url: String = own.http_get("/current", json!({"city": "São Paulo", "n": 1})).await.unwrap();
    assert_eq!(url, "https://api.example/v1/current?city=S%C3%A3o+Paulo&n=1");
    for outside in ["../secret", "//evil.example/x", "a/../../b", "https://evil.example/"] {
        let got = own.http_get::<String>(outside, ()).await;
        let inside = got.as_ref().is_ok_and(|url| url.starts_with("https://api.example/v1/"));
        let refused = matches!(got, Err(ResourceError::Argument { name: "path", .. }));
        assert!(inside || refused, "{outside}: {got:?}");
    }
}

#[tokio::test]
async fn several_steps_are_done_in_order_and_end_with_the_first_that_fails() {
    let mut deletes = 0;
    let server = TestServer::new()
        .tool(any("open_nodes"), |_| {
            let graph = json!({"entities": [{"observations": ["{\"a\":1}"]}], "relations": []});
            CallToolResult::text("").into_structured(graph)
        })
        .tool(any("delete_entities"), move |_| {
            deletes += 1;
            if deletes > 1 { Answer::error(-32603, "locked") } else { "done".into() }
        })
        .tool(any("create_entities"), |_| "done".into())
        .tool(any("add_observations"), |_| "done".into());
    let memory = open(&server, Profile::memory()).await;
    memory.set("k", &1).await.unwrap();
    assert!(matches!(memory.set("k", &2).await, Err(ResourceError::Call { .. })));
    let created = json!({"name": "k", "entityType": "value", "observations": ["1"]});
    let delete = json!({"entityNames": ["k"]});
    assert_eq!(calls(&server), [delete.clone(), json!({"entities": [created]}), delete]);
    assert_eq!(memory.get::<Value>("k").await.unwrap(), Some(json!({"a": 1})));
    memory.publish("news", &json!({"id": 1})).await.unwrap();
    let added = json!({"observations": [{"entityName": "news", "contents": [r#"{"id":1}"#]}]});
    assert_eq!(calls(&server).last(), Some(&added));
}

/// A result with structured content.
trait IntoStructured {
    fn into_structured(self, content: Value) -> Answer;
}

impl IntoStructured for CallToolResult {
    fn into_structured(self, content: Value) -> Answer {
        Self { structured_content: Some(content.into()), ..self }.into()
    }
}
