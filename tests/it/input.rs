//! What servers ask of clients: forms, pages, roots; at once, later, or not at all.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mcp_client::{
    CallError, CallErrorKind, Client, ClientBuilder, ExtendedResult, Extension, InputError,
    PendingInput, Step, TraceContext,
    protocol::{
        elicitation::{ElicitParams, ElicitResult},
        input_required::InputResponses,
        raw::RawJson,
        roots::Root,
        tools::CallTool,
    },
    testing::{Answer, Heard, TestServer, legacy_opening, modern_opening},
    transport::{BoxFuture, memory::MemoryConnect},
};
use serde_json::{Value, json};

const STATE: &str = "note \u{0} of \"the\" server \u{1f980}";

fn done() -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": "done"}]})
}

fn form(schema: &Value) -> Value {
    json!({"method": "elicitation/create", "params": {
        "mode": "form", "message": "Please", "requestedSchema": schema}})
}

fn page(url: &str) -> Value {
    json!({"method": "elicitation/create", "params": {
        "mode": "url", "message": "Please", "url": url}})
}

/// A modern server that asks this until it has answers, for as many rounds.
fn asking(questions: &Value, rounds: usize) -> (ClientBuilder<MemoryConnect>, Heard) {
    let questions = questions.clone();
    let mut left = rounds;
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        modern_opening(method, &json!({"tools": {}})).unwrap_or_else(|| {
            if left == 0 {
                return Answer::result(done());
            }
            left -= 1;
            Answer::result(json!({"resultType": "input_required", "inputRequests": questions,
                "requestState": STATE}))
        })
    })
    .parts();
    (Client::connect_with(recipe), seen)
}

fn age() -> Value {
    json!({"type": "object", "required": ["age"], "properties": {
        "age": {"type": "integer", "minimum": 18, "default": 30},
        "mail": {"type": "string", "format": "email"},
    }})
}

fn accept(content: &'static [(&'static str, u32)]) -> ElicitResult {
    ElicitResult::accept(content.iter().map(|(key, value)| (*key, json!(value))).collect())
}

// covers: elicitation-validated, elicitation-defaults
#[tokio::test(start_paused = true)]
async fn forms_get_their_defaults_and_wrong_answers_stay_here() {
    let (builder, seen) = asking(&json!({"who": form(&age())}), 1);
    let client = builder.on_form(|_, _| async { Ok(accept(&[])) }).connect().await.unwrap();
    client.call_tool("t", json!({"x": 1})).await.unwrap();
    let calls = seen.params("tools/call");
    assert_eq!(calls[1]["inputResponses"]["who"]["content"], json!({"age": 30}));
    assert_eq!(calls[1]["requestState"], STATE);
    assert_eq!(calls[1]["arguments"], json!({"x": 1}));
    let declared = &calls[0]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(*declared, json!({"elicitation": {"form": {}}}));

    let (builder, seen) = asking(&json!({"who": form(&age())}), 1);
    let client = builder.on_form(|_, _| async { Ok(accept(&[("age", 7)])) });
    let error = client.connect().await.unwrap().call_tool("t", json!({})).await.unwrap_err();
    let CallErrorKind::Input(InputError::Handler { source, .. }) = error.kind() else {
        panic!("{error:?}")
    };
    assert!(source.message.contains("`age` must be 18 or more"), "{source}");
    assert_eq!(seen.params("tools/call").len(), 1);
}

// covers: elicitation-url
#[tokio::test(start_paused = true)]
async fn pages_are_visited_by_consent_and_on_the_web_only() {
    let asked = Arc::new(AtomicUsize::new(0));
    for (url, expected, times) in
        [("https://example.com/in", "accept", 1), ("file:///etc/passwd", "decline", 0)]
    {
        let (builder, seen) = asking(&json!({"in": page(url)}), 1);
        asked.store(0, Ordering::Relaxed);
        let count = Arc::clone(&asked);
        let client = builder.on_url(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(ElicitResult::accept_url()) }
        });
        client.connect().await.unwrap().call_tool("t", json!({})).await.unwrap();
        let answer = &seen.params("tools/call")[1]["inputResponses"]["in"];
        assert_eq!(*answer, json!({"action": expected}), "{url}");
        assert_eq!(asked.load(Ordering::Relaxed), times, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_waits_for_a_page_does_not_ask_again() {
    let (builder, seen) = asking(&json!({"in": page("https://example.com/in")}), 30);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = builder.on_url(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(ElicitResult::accept_url()) }
    });
    let client = client.connect().await.unwrap();
    client.call_tool("t", json!({})).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(seen.params("tools/call").len(), 31);
}

// covers: mrtr-bounds
#[tokio::test(start_paused = true)]
async fn questions_are_bounded_in_number_and_in_time() {
    let (builder, seen) = asking(&json!({"who": form(&age())}), 1_000);
    let client = builder.on_form(|_, _| async { Ok(accept(&[])) }).connect().await.unwrap();
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    let is_bounded = matches!(error.kind(), CallErrorKind::Input(InputError::TooManyRounds(16)));
    assert!(is_bounded, "{error:?}");
    assert_eq!(seen.params("tools/call").len(), 16);

    let (builder, _) = asking(&json!({"who": form(&age())}), 1);
    let client = builder.on_form(|_, _| std::future::pending()).connect().await.unwrap();
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    let is_bounded = matches!(error.kind(), CallErrorKind::Input(InputError::Unanswered { .. }));
    assert!(is_bounded, "{error:?}");

    // Nothing but patience, for ever.
    let (builder, _) = asking(&json!({}), usize::MAX);
    let error = builder.connect().await.unwrap().call_tool("t", json!({})).await.unwrap_err();
    let is_bounded = matches!(error.kind(), CallErrorKind::Input(InputError::Unanswered { .. }));
    assert!(is_bounded, "{error:?}");
}

// covers: sampling-refusal
#[tokio::test(start_paused = true)]
async fn consent_comes_before_every_handler() {
    let (builder, seen) = asking(&json!({"who": form(&age())}), 1);
    let client = builder
        .on_consent(|_, _| async { false })
        .on_form(|_, _| async { panic!("nobody consented") });
    client.connect().await.unwrap().call_tool("t", json!({})).await.unwrap();
    let answer = &seen.params("tools/call")[1]["inputResponses"]["who"];
    assert_eq!(*answer, json!({"action": "decline"}));

    let (builder, seen) = asking(&json!({"r": {"method": "roots/list"}}), 1);
    let client = builder.roots([Root::new("file:///srv")]).on_consent(|_, _| async { false });
    let error = client.connect().await.unwrap().call_tool("t", json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Input(InputError::Handler { .. })), "{error:?}");
    assert_eq!(seen.params("tools/call").len(), 1);
}

// covers: mrtr-persist
#[tokio::test(start_paused = true)]
async fn questions_can_be_stored_and_answered_by_another_process() {
    let (builder, seen) = asking(&json!({"who": form(&age())}), 2);
    let client = builder.connect().await.unwrap();
    let step = client.call_tool("t", json!({"x": 1})).stepwise().await.unwrap();
    let Step::InputRequired(pending) = step else { panic!("{step:?}") };
    assert!(!format!("{pending:?}").contains("note"));
    let declared =
        &seen.params("tools/call")[0]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert!(declared["elicitation"]["url"].is_object() && declared["roots"].is_object());
    let stored = serde_json::to_string(&pending).unwrap();

    let load = || serde_json::from_str::<PendingInput<CallTool>>(&stored).unwrap();
    let answers = |age: u32| {
        let mut answers = InputResponses::default();
        answers.insert("who", json!({"action": "accept", "content": {"age": age}}));
        answers
    };
    for wrong in [InputResponses::default(), answers(7)] {
        let error = client.answer(load(), wrong).await.unwrap_err();
        let is_invalid =
            matches!(error.kind(), CallErrorKind::Input(InputError::InvalidAnswer { .. }));
        assert!(is_invalid, "{error:?}");
    }
    assert_eq!(seen.params("tools/call").len(), 1, "nothing wrong was sent");

    let step = client.answer(load(), answers(40)).await.unwrap();
    let Step::InputRequired(pending) = step else { panic!("{step:?}") };
    let step = client.answer(pending, answers(41)).await.unwrap();
    let Step::Complete(outcome) = step else { panic!("{step:?}") };
    assert_eq!(outcome.joined_text(), "done");
    let calls = seen.params("tools/call");
    assert_eq!(calls[1]["requestState"], STATE);
    assert_eq!(calls[2]["inputResponses"]["who"]["content"]["age"], 41);
    assert_eq!(calls[2]["arguments"], json!({"x": 1}));

    let mut elsewhere: Value = serde_json::from_str(&stored).unwrap();
    elsewhere["endpoint"] = json!("https://elsewhere.example");
    let elsewhere: PendingInput<CallTool> = serde_json::from_value(elsewhere).unwrap();
    let error = client.answer(elsewhere, answers(40)).await.unwrap_err();
    let is_other = matches!(error.kind(), CallErrorKind::Input(InputError::OtherServer { .. }));
    assert!(is_other, "{error:?}");
}

// covers: elicitation-legacy-url
#[tokio::test(start_paused = true)]
async fn a_legacy_server_gets_its_pages_visited_and_the_call_again() {
    let mut calls = 0;
    let pages = json!({"elicitations": [{"mode": "url", "elicitationId": "e-1",
        "url": "https://example.com/in", "message": "Sign in"}]});
    let complete = |id: &str| {
        json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete",
            "params": {"elicitationId": id}})
    };
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        legacy_opening(method, "2025-11-25", &json!({"tools": {}})).unwrap_or_else(|| {
            calls += 1;
            let refusal = Answer::error_with(-32042, "sign in first", pages.clone());
            match calls {
                1 => Answer::Send(complete("unknown"), Box::new(refusal)),
                2 => refusal,
                _ => Answer::result(done()),
            }
        })
    })
    .parts();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let client = Client::connect_with(recipe).on_url(move |page, _| {
        heard.lock().unwrap().push(page.url);
        async { Ok(ElicitResult::accept_url()) }
    });
    let client = client.connect().await.unwrap();
    assert_eq!(client.call_tool("t", json!({})).await.unwrap().joined_text(), "done");
    assert_eq!(*asked.lock().unwrap(), ["https://example.com/in"]);
    assert_eq!(seen.params("tools/call").len(), 3);

    let (recipe, _) = TestServer::scripted(move |method, _| {
        legacy_opening(method, "2025-11-25", &json!({"tools": {}})).unwrap_or_else(|| {
            let pages = json!({"elicitations": [{"mode": "url", "elicitationId": "e",
                "url": "https://example.com/", "message": "m"}]});
            Answer::error_with(-32042, "sign in first", pages)
        })
    })
    .parts();
    let client = Client::connect_with(recipe)
        .on_elicitation(|params, _| async move {
            assert!(matches!(params, ElicitParams::Url(_)));
            Ok(ElicitResult::decline())
        })
        .connect()
        .await
        .unwrap();
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    assert_eq!(error.error_object().unwrap().code, -32042);
}

// covers: elicitation-modes, legacy-tasks
#[tokio::test(start_paused = true)]
async fn an_answer_within_a_legacy_task_names_the_task_and_undeclared_modes_are_refused() {
    let question = |id: u32, mut params: Value| {
        params["_meta"] = json!({"io.modelcontextprotocol/related-task": {"taskId": "t-1"}});
        json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params})
    };
    let (recipe, seen) = TestServer::scripted(move |method, _| {
        legacy_opening(method, "2025-11-25", &json!({"tools": {}})).unwrap_or_else(|| {
            let form = question(1, form(&age())["params"].clone());
            let page = question(2, page("https://example.com/")["params"].clone());
            Answer::Send(form, Box::new(Answer::Send(page, Box::new(Answer::result(done())))))
        })
    })
    .parts();
    let client = Client::connect_with(recipe).on_form(|_, _| async { Ok(accept(&[])) });
    let client = client.connect().await.unwrap();
    client.call_tool("t", json!({})).await.unwrap();
    seen.until(|seen| seen.answers().len() == 2).await;
    let mut answers = seen.answers();
    answers.sort_by_key(|answer| answer["code"].as_i64());
    assert_eq!(answers[0]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"], "t-1");
    assert_eq!(answers[0]["content"], json!({"age": 30}));
    assert_eq!(answers[1]["code"], -32602);
}

// covers: roots
#[tokio::test]
async fn roots_are_files_and_their_changes_are_told() {
    let legacy = |method: &str, _: &Value| {
        legacy_opening(method, "2025-06-18", &json!({})).unwrap_or(Answer::Silence)
    };
    let (recipe, seen) = TestServer::scripted(legacy).parts();
    let client =
        Client::connect_with(recipe).roots([Root::new("file:///a")]).connect().await.unwrap();
    assert_eq!(seen.params("initialize")[0]["capabilities"]["roots"]["listChanged"], true);
    client.set_roots([Root::new("file:///b")]).await.unwrap();
    while seen.params("notifications/roots/list_changed").is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(client.set_roots([Root::new("https://example.com")]).await.is_err());

    let (recipe, _) = TestServer::scripted(legacy).parts();
    let builder = Client::connect_with(recipe).roots([Root::new("/no/uri")]);
    assert!(builder.connect().await.is_err());
}

#[derive(Debug)]
struct Tickets;

impl Extension for Tickets {
    fn id(&self) -> &'static str {
        "com.example/tickets"
    }

    fn settings(&self) -> RawJson {
        json!({"colour": "blue"}).into()
    }

    fn methods(&self) -> &[&str] {
        &["tools/call"]
    }

    fn result_types(&self) -> &[&str] {
        &["ticket"]
    }

    fn carry_on<'a>(
        &'a self,
        result: ExtendedResult<'a>,
    ) -> BoxFuture<'a, Result<RawJson, CallError>> {
        Box::pin(async move {
            let ticket: Value = result.result.parse().unwrap_or_default();
            let text = format!("{} was {}", result.method, ticket["number"]);
            Ok(json!({"content": [{"type": "text", "text": text}]}).into())
        })
    }
}

// covers: trace-context, extension-ids
#[tokio::test]
async fn an_extension_of_ones_own_and_the_trace_of_a_request() {
    let server = || {
        TestServer::scripted(|method, _| {
            modern_opening(method, &json!({}))
                .unwrap_or_else(|| Answer::result(json!({"resultType": "ticket", "number": 7})))
        })
        .parts()
    };
    let (recipe, seen) = server();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client = Client::connect_with(recipe)
        .extension(Tickets)
        .trace(move || TraceContext::new(parent).ok()?.baggage("a=1").ok())
        .connect()
        .await
        .unwrap();
    let outcome = client.call_tool("t", json!({})).await.unwrap();
    assert_eq!(outcome.joined_text(), "tools/call was 7");
    let meta = &seen.params("tools/call")[0]["_meta"];
    assert_eq!((&meta["traceparent"], &meta["baggage"]), (&json!(parent), &json!("a=1")));
    let declared = &meta["io.modelcontextprotocol/clientCapabilities"]["extensions"];
    assert_eq!(*declared, json!({"com.example/tickets": {"colour": "blue"}}));

    let (recipe, _) = server();
    let client = Client::connect_with(recipe).connect().await.unwrap();
    let error = client.call_tool("t", json!({})).await.unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Undecodable(_)), "{error:?}");
    assert!(error.to_string().len() < 200);
}
