//! Tasks of both kinds, against servers in memory that order events as the tests need them. What
//! real servers do is in the interoperability matrix.

use std::{future::IntoFuture, time::Duration};

use mcp_client::{
    CallErrorKind, Client, EraChoice, Started, TaskError, TaskHandle, TimeLimit, WhenDropped,
    protocol::{
        elicitation::ElicitResult, input_required::InputResponses, object::Object,
        tasks::TaskStatus,
    },
    testing::{Answer, Heard, PlayedServer, TestServer, legacy_opening, modern_opening},
};
use serde_json::{Value, json};

fn task(status: &str, more: Value) -> Value {
    let mut task = json!({
        "taskId": "t-1", "status": status, "createdAt": "2026-11-01T00:00:00Z",
        "lastUpdatedAt": "2026-11-01T00:00:00Z", "ttlMs": 60_000, "pollIntervalMs": 20,
        "resultType": "complete",
    });
    if let (Value::Object(task), Value::Object(more)) = (&mut task, more) {
        task.extend(more);
    }
    task
}

fn text(text: &str) -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]})
}

/// A modern server whose tool is a task, and what that task does when asked for the nth time.
async fn modern(mut get: impl FnMut(usize) -> Answer + Send + 'static) -> (Client, Heard) {
    let mut asked = 0;
    let extensions = json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        modern_opening(method, &extensions).unwrap_or_else(|| match method {
            "tools/call" => Answer::result(task("working", json!({"resultType": "task"}))),
            "tasks/get" => {
                asked += 1;
                get(asked)
            }
            "tasks/update" | "tasks/cancel" => Answer::result(json!({"resultType": "complete"})),
            _ => Answer::Silence,
        })
    })
    .parts();
    let client = Client::connect_with(recipe).tasks().on_elicitation(|_, _| async {
        Ok(ElicitResult::accept(Object::from_iter([("name", json!("Ada"))])))
    });
    (client.connect().await.expect("it speaks MCP"), seen)
}

fn question() -> Value {
    json!({"who": {"method": "elicitation/create", "params": {
        "message": "Who?", "requestedSchema": {
            "type": "object", "properties": {"name": {"type": "string"}},
        },
    }}})
}

// covers: tasks-follow, tasks-input
#[tokio::test(start_paused = true)]
async fn a_call_follows_its_task_and_answers_each_question_once() {
    let (client, seen) = modern(|asked| match asked {
        1 => Answer::result(task("working", json!({"statusMessage": "half way"}))),
        2 | 3 => Answer::result(task("input_required", json!({"inputRequests": question()}))),
        _ => Answer::result(task("completed", json!({"result": text("done")}))),
    })
    .await;
    let statuses = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&statuses);
    let outcome = client
        .call_tool("job", json!({}))
        .on_task(move |report| heard.lock().unwrap().push(report.status.clone()))
        .await
        .unwrap();
    assert_eq!(outcome.joined_text(), "done");
    let updates = seen.params("tasks/update");
    assert_eq!(updates.len(), 1, "{updates:?}");
    assert_eq!(updates[0]["inputResponses"]["who"]["content"]["name"], "Ada");
    let status = |status| status;
    assert_eq!(
        *statuses.lock().unwrap(),
        [
            status(TaskStatus::Working),
            status(TaskStatus::InputRequired),
            status(TaskStatus::InputRequired)
        ]
    );
    assert!(!seen.methods().contains(&"tasks/cancel".to_owned()));
}

// covers: tasks-input
#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_sent_again_and_nobody_asked_twice() {
    let mut updates = 0;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let extensions = json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        modern_opening(method, &extensions).unwrap_or_else(|| match method {
            "tools/call" => Answer::result(task("working", json!({"resultType": "task"}))),
            "tasks/get" if updates < 2 => {
                Answer::result(task("input_required", json!({"inputRequests": question()})))
            }
            "tasks/get" => Answer::result(task("completed", json!({"result": text("done")}))),
            "tasks/update" => {
                updates += 1;
                if updates == 1 {
                    Answer::Silence
                } else {
                    Answer::result(json!({"resultType": "complete"}))
                }
            }
            _ => Answer::Silence,
        })
    })
    .parts();
    let client = Client::connect_with(recipe).tasks().on_elicitation(move |_, _| {
        let before = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = json!(format!("answer {}", before + 1));
        async move { Ok(ElicitResult::accept(Object::from_iter([("name", name)]))) }
    });
    let client = client.connect().await.unwrap();
    assert_eq!(client.call_tool("job", json!({})).await.unwrap().joined_text(), "done");
    let sent = seen.params("tasks/update");
    assert_eq!(sent.len(), 2, "{sent:?}");
    for update in sent {
        assert_eq!(update["inputResponses"]["who"]["content"]["name"], "answer 1");
    }
}

// covers: meta-capabilities-honest, extension-ids
#[tokio::test(start_paused = true)]
async fn the_extension_is_declared_only_where_it_counts_and_only_by_choice() {
    let (client, seen) =
        modern(|_| Answer::result(task("completed", json!({"result": text("ok")})))).await;
    client.call_tool("job", json!({})).await.unwrap();
    let declared = |method: &str| {
        let params = seen.params(method);
        let capabilities = &params[0]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        capabilities["extensions"]["io.modelcontextprotocol/tasks"].is_object()
    };
    assert!(declared("tools/call") && declared("tasks/get"));
    assert!(!declared("server/discover"));

    let (recipe, _) = TestServer::scripted(|method, _| {
        modern_opening(method, &json!({}))
            .unwrap_or_else(|| Answer::result(task("working", json!({"resultType": "task"}))))
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Input(_)), "{error:?}");
}

// covers: tasks-durable
#[tokio::test(start_paused = true)]
async fn a_handle_outlives_the_connection() {
    let (client, _) = modern(|_| Answer::result(task("working", json!({})))).await;
    let started = client.call_tool("job", json!({})).detached().await.unwrap();
    let Started::Task(handle) = started else { panic!("{started:?}") };
    assert!(!format!("{handle:?}").contains("t-1"));
    let stored = serde_json::to_string(&handle).unwrap();
    client.close().await;

    let (client, seen) = modern(|asked| match asked {
        1 => Answer::result(task("working", json!({"statusMessage": "still"}))),
        2 => Answer::result(task("input_required", json!({"inputRequests": question()}))),
        _ => Answer::result(task("completed", json!({"result": text("late")}))),
    })
    .await;
    let handle: TaskHandle = serde_json::from_str(&stored).unwrap();
    let report = client.task_report(&handle).await.unwrap();
    assert_eq!(report.message.as_deref(), Some("still"));
    let report = client.task_report(&handle).await.unwrap();
    assert_eq!(report.input_requests.len(), 1);
    let mut answers = InputResponses::default();
    answers.insert("who", json!({"action": "decline"}));
    client.update_task(&handle, answers).await.unwrap();
    assert_eq!(client.resume_task(handle.clone()).await.unwrap().joined_text(), "late");
    assert_eq!(seen.params("tasks/get")[0]["taskId"], "t-1");
    assert_eq!(seen.params("tasks/update")[0]["inputResponses"]["who"]["action"], "decline");

    let mut other = serde_json::to_value(&handle).unwrap();
    other["endpoint"] = json!("https://elsewhere.example");
    let other: TaskHandle = serde_json::from_value(other).unwrap();
    let error = client.resume_task(other).await.unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::Task(TaskError::OtherServer { .. })),
        "{error:?}"
    );
}

// covers: tasks-cancel
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_cancels_its_task() {
    let (client, seen) = modern(|_| Answer::result(task("working", json!({})))).await;
    let call = client.call_tool("job", json!({})).into_future();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    cancelled(&seen).await;

    // Resumed ones are left alone, unless asked otherwise.
    let Started::Task(handle) = client.call_tool("job", json!({})).detached().await.unwrap() else {
        panic!("no task")
    };
    let limit = Duration::from_secs(1);
    let error = client.resume_task(handle.clone()).max_time(limit).await.unwrap_err();
    let is_total = matches!(error.kind(), CallErrorKind::TimedOut { limit: TimeLimit::Total, .. });
    assert!(is_total, "{error:?}");
    client.task_report(&handle).await.unwrap();
    assert_eq!(seen.params("tasks/cancel").len(), 1);
    let resumed = client.resume_task(handle).max_time(limit).when_dropped(WhenDropped::Cancel);
    resumed.await.unwrap_err();
    while seen.params("tasks/cancel").len() < 2 {
        tokio::task::yield_now().await;
    }
}

async fn cancelled(seen: &Heard) {
    while seen.params("tasks/cancel").is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ends_that_are_no_result_say_what_they_are() {
    let (client, _) =
        modern(|_| Answer::result(task("cancelled", json!({"statusMessage": "by the operator"}))))
            .await;
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    let CallErrorKind::Task(reason) = error.kind() else { panic!("{error:?}") };
    assert_eq!(reason.to_string(), "the task was cancelled: by the operator");

    let failed = json!({"error": {"code": -32603, "message": "disk full"}});
    let (client, _) = modern(move |_| Answer::result(task("failed", failed.clone()))).await;
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    assert_eq!(error.error_object().unwrap().message, "disk full");

    let (client, seen) = modern(|_| Answer::result(task("working", json!({"ttlMs": 0})))).await;
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Task(TaskError::Expired { .. })), "{error:?}");
    assert!(seen.params("tasks/get").len() <= 2, "{:?}", seen.methods());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stumbles_is_asked_again_but_not_for_ever() {
    let (client, _) = modern(|asked| match asked {
        1..=3 => Answer::Silence,
        _ => Answer::result(task("completed", json!({"result": text("at last")}))),
    })
    .await;
    assert_eq!(client.call_tool("job", json!({})).await.unwrap().joined_text(), "at last");

    let (client, seen) = modern(|_| Answer::Silence).await;
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::TimedOut { .. }), "{error:?}");
    assert_eq!(seen.params("tasks/get").len(), 5);
}

// covers: tasks-follow
#[tokio::test(start_paused = true)]
async fn a_notification_is_a_reason_to_ask_at_once() {
    let note = json!({"jsonrpc": "2.0", "method": "notifications/tasks",
        "params": task("completed", json!({"result": text("not to be believed")}))});
    let (client, _) = modern(move |asked| {
        let slow = json!({"pollIntervalMs": 3_600_000});
        match asked {
            1 => Answer::Send(note.clone(), Box::new(Answer::result(task("working", slow)))),
            _ => Answer::result(task("completed", json!({"result": text("true")}))),
        }
    })
    .await;
    let started = tokio::time::Instant::now();
    assert_eq!(client.call_tool("job", json!({})).await.unwrap().joined_text(), "true");
    assert!(started.elapsed() < Duration::from_secs(10), "the clock is paused: it did not wait");
}

// covers: tasks-listen
#[tokio::test(start_paused = true)]
async fn a_long_wait_is_cut_short_by_what_the_server_tells() {
    let subscription = "io.modelcontextprotocol/subscriptionId";
    let extensions = json!({"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let (client, server) = PlayedServer::new(EraChoice::Modern);
    let (client, mut server) =
        PlayedServer::connect_modern(client.tasks(), server, extensions).await;
    let (outcome, ()) = tokio::join!(client.call_tool("job", json!({})), async {
        let request = server.request("tools/call").await;
        let slow = json!({"resultType": "task", "pollIntervalMs": 30_000});
        server.answer(&request, task("working", slow));
        let listen = server.request("subscriptions/listen").await;
        let asked = PlayedServer::params(&listen);
        assert_eq!(asked["notifications"], json!({"taskIds": ["t-1"]}));
        let declared = &asked["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert!(declared["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{declared}");
        let started = tokio::time::Instant::now();
        let meta = json!({subscription: listen.id});
        server.notify(
            "notifications/subscriptions/acknowledged",
            json!({"_meta": meta, "notifications": {"taskIds": ["t-1"]}}),
        );
        let done = json!({"_meta": meta, "result": text("not to be believed")});
        server.notify("notifications/tasks", task("completed", done));
        let get = server.request("tasks/get").await;
        server.answer(&get, task("completed", json!({"result": text("true")})));
        assert!(started.elapsed() < Duration::from_secs(1), "the clock is paused: no wait");
        // Nobody waits for the task any more.
        let cancelled = server.notified("notifications/cancelled").await;
        assert_eq!(cancelled["requestId"], json!(listen.id));
    });
    assert_eq!(outcome.unwrap().joined_text(), "true");
}

// covers: tasks-listen
#[tokio::test(start_paused = true)]
async fn a_server_that_tells_nothing_of_tasks_is_asked() {
    let (client, seen) = modern(|asked| match asked {
        1 => Answer::result(task("working", json!({"pollIntervalMs": 2_000}))),
        _ => Answer::result(task("completed", json!({"result": text("done")}))),
    })
    .await;
    assert_eq!(client.call_tool("job", json!({})).await.unwrap().joined_text(), "done");
    // It was asked to tell, for the second wait only, and was silent.
    assert_eq!(seen.params("subscriptions/listen").len(), 1);
    assert_eq!(seen.params("tasks/get").len(), 2);
}

/// A server of revision 2025-11-25 with a tool that only runs as a task.
fn legacy_script(method: &str, params: &Value, support: &str) -> Answer {
    let capabilities = json!({
        "tools": {}, "tasks": {"cancel": {}, "list": {}, "requests": {"tools": {"call": {}}}},
    });
    let now = "2026-11-01T00:00:00Z";
    let task = |status: &str| {
        json!({"taskId": "t-9", "status": status, "createdAt": now, "lastUpdatedAt": now,
            "ttl": 60_000, "pollInterval": 20})
    };
    legacy_opening(method, "2025-11-25", &capabilities).unwrap_or_else(|| match method {
        "tools/list" => Answer::result(json!({"tools": [{
            "name": "job", "inputSchema": {"type": "object"}, "execution": {"taskSupport": support},
        }]})),
        "tools/call" if params["task"].is_object() => {
            Answer::result(json!({"task": task("working")}))
        }
        "tools/call" if support == "required" => {
            Answer::error_with(-32601, "only as a task", Value::Null)
        }
        "tools/call" => Answer::result(text("at once")),
        "tasks/get" => Answer::result(task("completed")),
        "tasks/result" => Answer::result(text("from the task")),
        "tasks/list" => Answer::result(json!({"tasks": [task("working")]})),
        "tasks/cancel" => Answer::error_with(-32602, "it has ended", Value::Null),
        _ => Answer::Silence,
    })
}

async fn legacy(support: &'static str) -> (Client, Heard) {
    let (recipe, seen) =
        TestServer::scripted(move |method, params| legacy_script(method, params, support)).parts();
    (Client::connect_with(recipe).connect().await.expect("it speaks MCP"), seen)
}

// covers: legacy-tasks
#[tokio::test(start_paused = true)]
async fn a_legacy_tool_runs_as_a_task_where_it_must_and_may() {
    // Not listed before: the refusal is what tells.
    let (client, seen) = legacy("required").await;
    let outcome = client.call_tool("job", json!({})).await.unwrap();
    assert_eq!(outcome.joined_text(), "from the task");
    assert_eq!(seen.params("tools/call").len(), 2);
    client.call_tool("job", json!({})).await.unwrap();
    assert_eq!(seen.params("tools/call").len(), 3, "now it is known");

    let (client, seen) = legacy("optional").await;
    assert_eq!(client.call_tool("job", json!({})).await.unwrap().joined_text(), "at once");
    let call = client.call_tool("job", json!({})).as_task(Duration::from_secs(9));
    assert_eq!(call.await.unwrap().joined_text(), "from the task");
    assert_eq!(seen.params("tools/call")[1]["task"]["ttl"], 9_000);

    let (client, seen) = legacy("forbidden").await;
    let started = client.call_tool("job", json!({})).detached().await.unwrap();
    assert!(matches!(started, Started::Done(_)), "{started:?}");
    assert!(seen.params("tools/call")[0]["task"].is_null());
}

// covers: legacy-tasks, progress
#[tokio::test(start_paused = true)]
async fn progress_of_a_legacy_task_is_heard_after_the_response() {
    let mut token = Value::Null;
    let mut asked = 0;
    let (recipe, _) = TestServer::scripted(move |method, params| {
        if method == "tools/call" && params["task"].is_object() {
            token = params["_meta"]["progressToken"].clone();
        }
        let progress = |progress: u32| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": progress}})
        };
        let now = "2026-11-01T00:00:00Z";
        match method {
            "tasks/get" if asked < 2 => {
                asked += 1;
                let goes =
                    Answer::result(json!({"taskId": "t-9", "status": "working", "createdAt": now,
                    "lastUpdatedAt": now, "ttl": 60_000, "pollInterval": 20}));
                Answer::Send(progress(asked), Box::new(goes))
            }
            "tasks/result" => {
                Answer::Send(progress(3), Box::new(legacy_script(method, params, "required")))
            }
            _ => legacy_script(method, params, "required"),
        }
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let call = client.call_tool("job", json!({})).on_progress(move |progress| {
        // The receiver lives as long as the test.
        let _ = sender.send(progress.progress);
    });
    assert_eq!(call.await.unwrap().joined_text(), "from the task");
    let mut all = Vec::new();
    while let Ok(progress) = heard.try_recv() {
        all.push(progress);
    }
    assert_eq!(all, [1.0, 2.0, 3.0]);
}

// covers: legacy-tasks
#[tokio::test(start_paused = true)]
async fn legacy_tasks_are_listed_and_cancelled() {
    let (client, _) = legacy("required").await;
    assert_eq!(client.list_tasks().await.unwrap().items[0].task_id, "t-9");
    let Started::Task(handle) = client.call_tool("job", json!({})).detached().await.unwrap() else {
        panic!("no task")
    };
    // The server refuses because the task has ended, which is what was wanted.
    client.cancel_task(&handle).await.unwrap();
    let error = client.update_task(&handle, InputResponses::default()).await.unwrap_err();
    let is_unsupported = matches!(error.kind(), CallErrorKind::Task(TaskError::Unsupported { .. }));
    assert!(is_unsupported, "{error:?}");
}

// covers: capability-missing
#[tokio::test]
async fn a_missing_capability_is_named() {
    let (recipe, _) = TestServer::scripted(|method, _| {
        modern_opening(method, &json!({})).unwrap_or(Answer::error_with(
            -32021,
            "missing capability",
            json!({"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}),
        ))
    })
    .parts();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let error = client.call_tool("job", json!({})).await.unwrap_err();
    let required = error.required_capabilities().unwrap();
    assert!(required.extensions.contains("io.modelcontextprotocol/tasks"));
    assert!(error.to_string().contains("io.modelcontextprotocol/tasks"), "{error}");
}
