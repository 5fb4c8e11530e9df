//! Tasks through the service: whose they are, and what each pair of lifecycles makes of them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use mcp_agent::service::{AccessRules, AccessSettings, ApiKey, Role, ServiceOptions};
use mcp_client::{
    Change, Client, ClientBuilder, EraChoice, Started, TaskHandle,
    config::{ServerConfig, TransportConfig},
    protocol::{
        elicitation::ElicitResult,
        input_required::InputResponses,
        jsonrpc::{ErrorObject, Request},
        object::Object,
        pagination::PaginatedParams,
        raw::RawJson,
        subscriptions::SubscriptionFilter,
        tasks::{GetTask, TaskParams, TaskStatus, legacy},
        version::Era,
    },
    transport::{
        BoxFuture, Connect,
        serve::{self, HttpServeConfig, Peer},
    },
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::asking::Serving;

/// Its tool `greet` is a task that asks for a name, in the way of its lifecycle.
struct Workshop {
    era: Era,
    /// What it was asked, and by which capabilities.
    heard: Mutex<Vec<(String, Value)>>,
    /// The name, once somebody gave it.
    name: watch::Sender<Option<String>>,
    /// How many legacy tasks there are.
    begun: AtomicU64,
}

impl serve::Service for Workshop {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(self.answer(request, peer))
    }
}

impl Workshop {
    async fn answer(&self, request: Request, peer: &Peer) -> Result<RawJson, ErrorObject> {
        let params: Value = serde_json::from_slice(&request.params).unwrap_or_default();
        let method = &*request.method;
        self.heard.lock().unwrap().push((method.to_owned(), params.clone()));
        if method.starts_with("tasks/") {
            assert!(params["taskId"].as_str().is_some_and(|id| id.starts_with("t-")), "{method}");
        }
        let id = params["taskId"].as_str().unwrap_or("t-1");
        let is_modern = self.era == Era::Modern;
        let extension = "io.modelcontextprotocol/tasks";
        let info = json!({"name": "workshop", "version": "1"});
        let mut result = match method {
            "initialize" if !is_modern => json!({
                "protocolVersion": "2025-11-25", "serverInfo": info,
                "capabilities": {"tools": {}, "tasks": {
                    "cancel": {}, "requests": {"tools": {"call": {}}},
                }},
            }),
            "server/discover" if is_modern => json!({
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}, "extensions": {extension: {}}},
            }),
            "tools/list" => {
                let mut tool = json!({"name": "greet", "inputSchema": {"type": "object"}});
                if !is_modern {
                    tool["execution"] = json!({"taskSupport": "optional"});
                }
                json!({"tools": [tool]})
            }
            "tools/call" if is_modern => {
                let said = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
                if said["extensions"][extension].is_null() {
                    text("at once")
                } else {
                    self.task(id, "working")
                }
            }
            "tools/call" if params["task"].is_null() => text("at once"),
            "tools/call" => {
                let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
                json!({"task": self.task(&format!("t-{number}"), "working")})
            }
            "tasks/get" => self.state(id),
            "tasks/update" => {
                let name = &params["inputResponses"]["who"]["content"]["name"];
                self.name.send_replace(name.as_str().map(ToOwned::to_owned));
                json!({})
            }
            "tasks/result" => {
                let mut form = form();
                form["_meta"] = json!({"io.modelcontextprotocol/related-task": {"taskId": "t-1"}});
                let answer = peer.ask("elicitation/create", &form).await.expect("an answer");
                let answer: Value = answer.parse().expect("JSON");
                let mut result =
                    text(&format!("Hello, {}!", answer["content"]["name"].as_str().unwrap()));
                result["_meta"] =
                    json!({"io.modelcontextprotocol/related-task": {"taskId": "t-1"}});
                result
            }
            "tasks/cancel" if is_modern => json!({}),
            "tasks/cancel" => {
                let told = self.task(id, "cancelled");
                peer.notify("notifications/tasks/status", &told).await.expect("heard");
                told
            }
            "subscriptions/listen" => {
                let meta = json!({"io.modelcontextprotocol/subscriptionId": request.id});
                let said = json!({"notifications": params["notifications"], "_meta": meta});
                let acknowledged = "notifications/subscriptions/acknowledged";
                peer.notify(acknowledged, &said).await.expect("heard");
                let mut names = self.name.subscribe();
                names.wait_for(Option::is_some).await.expect("a name");
                let mut told = self.state(id);
                told["_meta"] = meta;
                peer.notify("notifications/tasks", &told).await.expect("heard");
                return pending().await;
            }
            _ => return Err(ErrorObject::new(-32601, "no such method")),
        };
        if is_modern && result["resultType"].is_null() {
            result["resultType"] = json!("complete");
        }
        Ok(result.into())
    }

    fn task(&self, id: &str, status: &str) -> Value {
        let mut task = json!({
            "taskId": id, "status": status, "createdAt": "2026-11-01T00:00:00Z",
            "lastUpdatedAt": "2026-11-01T00:00:00Z",
        });
        if self.era == Era::Modern {
            (task["ttlMs"], task["pollIntervalMs"]) = (json!(60_000), json!(20));
            task["resultType"] = json!("task");
        } else {
            (task["ttl"], task["pollInterval"]) = (json!(60_000), json!(20));
        }
        task
    }

    fn state(&self, id: &str) -> Value {
        let name = self.name.borrow().clone();
        let mut task = self.task(id, if name.is_some() { "completed" } else { "input_required" });
        if self.era == Era::Modern {
            task["resultType"] = json!("complete");
            if let Some(name) = name {
                task["result"] = text(&format!("Hello, {name}!"));
                task["result"]["resultType"] = json!("complete");
            } else {
                let question = json!({"method": "elicitation/create", "params": form()});
                task["inputRequests"] = json!({"who": question});
            }
        }
        task
    }

    fn heard(&self, method: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|(heard, _)| heard == method).count()
    }
}

fn form() -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    json!({"mode": "form", "message": "Who?", "requestedSchema": schema})
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn named(name: &str) -> ElicitResult {
    ElicitResult::accept(Object::from_iter([("name", json!(name))]))
}

/// A service in front of a workshop, with keys for two.
struct Stand {
    serving: Serving,
    workshop: Arc<Workshop>,
    keys: [String; 2],
    _serving: JoinSet<()>,
}

impl Stand {
    async fn new(era: Era) -> Self {
        let (heard, name, begun) = (Mutex::default(), watch::Sender::new(None), AtomicU64::new(0));
        let workshop = Arc::new(Workshop { era, heard, name, begun });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let mut tasks = JoinSet::new();
        let service = Arc::clone(&workshop);
        tasks.spawn(async move {
            let serving = serve::http(listener, service, HttpServeConfig::new(), pending());
            serving.await.expect("serves");
        });
        let mut settings = AccessSettings::default();
        let keys = ["ada", "bob"].map(|name| {
            let rules = AccessRules::default();
            let (key, secret) = ApiKey::new(name, Role::User, rules).expect("randomness");
            settings.keys.push(key);
            secret.reveal().to_owned()
        });
        let transport = TransportConfig::Http { url, headers: [].into() };
        let options = ServiceOptions::new().access(settings);
        let serving = Serving::start(vec![ServerConfig::new("shop", transport)], options).await;
        Self { serving, workshop, keys, _serving: tasks }
    }

    fn client(&self, era: EraChoice, of: usize) -> ClientBuilder<impl Connect> {
        Client::http(format!("http://{}/mcp", self.serving.address))
            .header("authorization", format!("Bearer {}", self.keys[of]))
            .era(era)
    }
}

async fn begun(client: &Client) -> TaskHandle {
    match client.call_tool("greet", json!({})).detached().await.expect("an answer") {
        Started::Task(handle) => handle,
        Started::Done(result) => panic!("no task: {result:?}"),
    }
}

// covers: serve-tasks
#[tokio::test]
async fn a_task_is_asked_for_answered_and_told_of_under_an_id_of_its_own() {
    let stand = Stand::new(Era::Modern).await;
    let ada = stand.client(EraChoice::Modern, 0).tasks().connect().await.expect("connects");
    assert!(ada.server().capabilities.extensions.contains("io.modelcontextprotocol/tasks"));
    let handle = begun(&ada).await;
    assert_ne!(handle.task_id(), "t-1");
    let report = ada.task_report(&handle).await.expect("a report");
    assert_eq!(report.status, TaskStatus::InputRequired);
    let mut watch = ada.watch(SubscriptionFilter {
        task_ids: vec![handle.task_id().to_owned()],
        ..SubscriptionFilter::default()
    });
    watch.ready().await;
    let mut answers = InputResponses::default();
    assert!(report.input_requests.iter().any(|(key, _)| key == "who"));
    answers.insert("who", json!(named("Ada")));
    ada.update_task(&handle, answers).await.expect("taken");
    let told = loop {
        if let Change::Task(task) = watch.next().await.expect("a change") {
            break task;
        }
    };
    assert_eq!(told.task.task_id, handle.task_id());
    assert_eq!(told.task.status, TaskStatus::Completed);
    ada.cancel_task(&handle).await.expect("told");
    assert_eq!(stand.workshop.heard("tasks/cancel"), 1);
    let result = ada.resume_task(handle).await.expect("a result");
    assert_eq!(result.joined_text(), "Hello, Ada!");
    ada.close().await;
    stand.serving.end().await;
}

// covers: serve-tasks
#[tokio::test]
async fn a_task_is_there_for_its_principal_only() {
    for (era, choice) in [(Era::Modern, EraChoice::Modern), (Era::Legacy, EraChoice::Legacy)] {
        let stand = Stand::new(era).await;
        let ada = stand.client(choice, 0).tasks().connect().await.expect("connects");
        let bob = stand.client(choice, 1).tasks().connect().await.expect("connects");
        let handle = begun(&ada).await;
        // Each client asks only its own server, which both have here.
        let error = bob.task_report(&handle).await.expect_err("not bob's");
        assert_eq!(error.error_object().expect("refused").code, -32602, "{error}");
        bob.cancel_task(&handle).await.expect_err("not bob's");
        // Nor is the server's own id one here.
        let mut foreign = json!(handle);
        foreign["taskId"] = json!("t-1");
        let foreign: TaskHandle = serde_json::from_value(foreign).expect("a handle");
        ada.task_report(&foreign).await.expect_err("no id of here");
        // The service asks for a legacy task once itself, to tell ada.
        let for_ada = usize::from(era == Era::Legacy);
        assert!(stand.workshop.heard("tasks/get") <= for_ada);
        assert_eq!(stand.workshop.heard("tasks/cancel"), 0);
        ada.task_report(&handle).await.expect("ada's");
        ada.close().await;
        bob.close().await;
        stand.serving.end().await;
    }
}

// covers: serve-tasks
#[tokio::test]
async fn a_task_of_a_legacy_server_asks_on_the_stream_of_its_result() {
    let stand = Stand::new(Era::Legacy).await;
    let asked = Arc::new(Mutex::new(None));
    let hearing = Arc::clone(&asked);
    let client = stand.client(EraChoice::Legacy, 0).on_form(move |form, _| {
        *hearing.lock().unwrap() = form.meta.and_then(|meta| meta.related_task());
        async { Ok(named("Ada")) }
    });
    let client = client.connect().await.expect("connects");
    let declared = client.server().capabilities.tasks.as_ref().expect("tasks");
    assert!(declared.covers("tools/call") && declared.list.is_some());
    let handle = begun(&client).await;
    let id = handle.task_id().to_owned();
    assert_ne!(id, "t-1");
    let result = client.resume_task(handle.clone()).await.expect("a result");
    assert_eq!(result.joined_text(), "Hello, Ada!");
    assert_eq!(result.meta.and_then(|meta| meta.related_task()), Some(id.clone()));
    assert_eq!(*asked.lock().unwrap(), Some(id));
    client.cancel_task(&handle).await.expect("told");
    assert_eq!(stand.workshop.heard("tasks/cancel"), 1);
    client.close().await;
    stand.serving.end().await;
}

// covers: serve-tasks
#[tokio::test]
async fn legacy_tasks_are_listed_and_told_of_to_whoever_began_them() {
    let stand = Stand::new(Era::Legacy).await;
    let [ada, bob] = [0, 1].map(|of| stand.client(EraChoice::Legacy, of).connect());
    let (ada, bob) = (ada.await.expect("connects"), bob.await.expect("connects"));
    let [first, second, third] = [begun(&ada).await, begun(&ada).await, begun(&bob).await];
    let ids = async |client: &Client| -> Vec<(String, TaskStatus)> {
        let listed = client.list_tasks().await.expect("a list").items;
        listed.into_iter().map(|task| (task.task_id, task.status)).collect()
    };
    let (one, two) = (first.task_id().to_owned(), second.task_id().to_owned());
    let asked = TaskStatus::InputRequired;
    assert_eq!(ids(&ada).await, [(one.clone(), asked.clone()), (two.clone(), asked.clone())]);
    assert_eq!(ids(&bob).await, [(third.task_id().to_owned(), asked)]);
    // The connection is the service's, so the server would list everybody's.
    assert_eq!(stand.workshop.heard("tasks/list"), 0);
    let all = [&first, &second, &third].map(|handle| handle.task_id().to_owned());
    let [mut adas, mut bobs] = [&ada, &bob].map(|client| {
        let task_ids = all.to_vec();
        client.watch(SubscriptionFilter { task_ids, ..SubscriptionFilter::default() })
    });
    for (client, handle, watch) in [(&ada, &two, &mut adas), (&bob, &all[2], &mut bobs)] {
        let handle = [&second, &third].into_iter().find(|one| one.task_id() == handle);
        client.cancel_task(handle.expect("a handle")).await.expect("told");
        // What each hears first is their own.
        let told = loop {
            match watch.next().await.expect("a change") {
                // What it came to before it was heard is told too.
                Change::LegacyTask(task) if task.status == TaskStatus::InputRequired => {}
                Change::LegacyTask(task) => break task,
                Change::Gap => {}
                change => panic!("{change:?}"),
            }
        };
        assert_eq!(told.task_id, handle.expect("a handle").task_id());
        assert_eq!(told.status, TaskStatus::Cancelled);
    }
    // Another session of the same principal has them too; what is made up is no cursor.
    let again = stand.client(EraChoice::Legacy, 0).connect().await.expect("connects");
    assert_eq!(ids(&again).await.len(), 2);
    let after = PaginatedParams::after("made up".into());
    let error = again.request::<legacy::ListTasks>(after).await.expect_err("no cursor");
    assert_eq!(error.error_object().expect("refused").code, -32602, "{error}");
    for client in [ada, bob, again] {
        client.close().await;
    }
    stand.serving.end().await;
}

// covers: serve-tasks
#[tokio::test]
async fn what_a_legacy_task_comes_to_before_it_is_heard_is_told() {
    let stand = Stand::new(Era::Legacy).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let ada = stand.client(EraChoice::Legacy, 0).on_notification(move |said, _| {
        if &*said.method == "notifications/tasks/status" {
            let params: Value = serde_json::from_slice(&said.params).unwrap();
            tell.send(params).unwrap();
        }
    });
    let ada = ada.connect().await.expect("connects");
    // Its server says nothing of itself.
    let handle = begun(&ada).await;
    let status = told.recv().await.expect("told");
    assert_eq!(status["taskId"], handle.task_id());
    assert_eq!(status["status"], "input_required");
    ada.close().await;
    stand.serving.end().await;
}

// covers: serve-tasks
#[tokio::test]
async fn where_nobody_says_who_they_are_no_tasks_are_listed() {
    let stand = Stand::new(Era::Legacy).await;
    stand.serving.service.set_access(&AccessSettings::default());
    let url = format!("http://{}/mcp", stand.serving.address);
    let client = Client::http(url).era(EraChoice::Legacy).connect().await.expect("connects");
    let declared = client.server().capabilities.tasks.as_ref().expect("tasks");
    assert!(declared.covers("tools/call") && declared.list.is_none());
    begun(&client).await;
    let error = client.list_tasks().await.expect_err("nobody's");
    assert!(error.to_string().contains("tasks/list"), "{error}");
    client.close().await;
    stand.serving.end().await;
}

// covers: serve-tasks
#[tokio::test]
async fn who_knows_no_tasks_gets_the_result() {
    // A modern client that says nothing of tasks is not given one.
    let stand = Stand::new(Era::Modern).await;
    let client = stand.client(EraChoice::Modern, 0).connect().await.expect("connects");
    let result = client.call_tool("greet", json!({})).await.expect("a result");
    assert_eq!(result.joined_text(), "at once");
    client.close().await;
    // A legacy client cannot know those of the extension: the service waits, and it is asked.
    let legacy = stand.client(EraChoice::Legacy, 0).on_form(|_, _| async { Ok(named("Bob")) });
    let legacy = legacy.connect().await.expect("connects");
    assert!(legacy.server().capabilities.tasks.is_none());
    let result = legacy.call_tool("greet", json!({})).await.expect("a result");
    assert_eq!(result.joined_text(), "Hello, Bob!");
    legacy.close().await;
    // Over REST nobody can be asked, and the task that has its answer is waited for.
    let call = json!({"server_name": "shop", "tool_name": "greet"});
    let key = format!("authorization: Bearer {}\r\n", stand.keys[0]);
    let answer = stand.serving.ask("POST", "/mcp/tools/call", &key, Some(&call.to_string())).await;
    assert_eq!(answer.json()["content"][0]["text"], "Hello, Bob!");
    stand.serving.end().await;
    // Between a modern client and a legacy server there are no tasks in common, and no methods.
    let stand = Stand::new(Era::Legacy).await;
    let client = stand.client(EraChoice::Modern, 0).tasks().connect().await.expect("connects");
    assert!(!client.server().capabilities.extensions.contains("io.modelcontextprotocol/tasks"));
    let result = client.call_tool("greet", json!({})).await.expect("a result");
    assert_eq!(result.joined_text(), "at once");
    let asking = client.request::<GetTask>(TaskParams::new("t-1"));
    let error = asking.await.expect_err("no such method");
    assert_eq!(error.error_object().expect("refused").code, -32601, "{error}");
    client.close().await;
    stand.serving.end().await;
}
