//! One operation on a connected peer, and whether what came of it is right.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use mcp_client::{
    CallError, CallErrorKind, CallTool, Change, Client, Source, Started, TaskError, TaskHandle,
    WatchState,
    protocol::{
        completion::{CompleteParams, CompletionReference},
        content::ContentBlock,
        logging::LoggingLevel,
        resources::ResourceContents,
        subscriptions::SubscriptionFilter,
        tools::CallToolResult,
    },
};
use serde_json::{Value, json};

use crate::case::lock;

/// A change that takes longer to be told is not told.
const HANG: Duration = Duration::from_secs(30);

/// What the client's callbacks heard and answer.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    pub(crate) logs: Arc<Mutex<Vec<String>>>,
    pub(crate) answer: Arc<Mutex<Value>>,
}

pub(crate) async fn check(client: &Client, what: &Value, heard: &Heard) -> Result<()> {
    let text = |key: &str| what[key].as_str();
    if let Some(uri) = text("watch") {
        return watch(client, uri, what).await;
    }
    if what["cached"] == json!(true) {
        return cached(client).await;
    }
    if let Some(tool) = text("call") {
        return call(client, tool, what, heard).await;
    }
    if let Some(uri) = text("read") {
        let outcome = client.read_resource(uri).await;
        if what["refused"] == json!(true) {
            return refused(outcome.map(drop));
        }
        let contents = outcome?.contents;
        let texts: Vec<_> = contents.iter().filter_map(ResourceContents::as_text).collect();
        return compare(&texts.join("\n"), what);
    }
    if let Some(name) = text("prompt") {
        let mut request = client.get_prompt(name);
        for (key, value) in what["arguments"].as_object().into_iter().flatten() {
            request = request.argument(key, value.as_str().unwrap_or_default());
        }
        let messages = request.await?.messages;
        let texts: Vec<_> =
            messages.iter().filter_map(|message| message.content.as_text()).collect();
        return compare(&texts.join("\n"), what);
    }
    if what["complete"].is_object() {
        let complete = &what["complete"];
        let part = |key: &str| complete[key].as_str().unwrap_or_default();
        let reference = CompletionReference::prompt(part("prompt"));
        let params = CompleteParams::new(reference, part("argument"), part("value"));
        let values = client.complete(params).await?.completion.values;
        return same(&json!(values), &what["values"]);
    }
    let (found, expected): (Vec<String>, _) = if what["names"].is_array() {
        let listing = client.list_tools().await?;
        ensure!(listing.skipped.is_empty(), "left out: {:?}", listing.skipped);
        (listing.items.into_iter().map(|tool| tool.name).collect(), &what["names"])
    } else if what["uris"].is_array() {
        let listing = client.list_resources().await?;
        (listing.items.into_iter().map(|resource| resource.uri).collect(), &what["uris"])
    } else if what["templates"].is_array() {
        let listing = client.list_resource_templates().await?;
        let uris = listing.items.into_iter().map(|template| template.uri_template);
        (uris.collect(), &what["templates"])
    } else if what["prompts"].is_array() {
        let listing = client.list_prompts().await?;
        (listing.items.into_iter().map(|prompt| prompt.name).collect(), &what["prompts"])
    } else {
        bail!("the file asks for something unknown: {what}");
    };
    for name in expected.as_array().context("a list")? {
        ensure!(
            found.iter().any(|one| Some(one.as_str()) == name.as_str()),
            "no {name} in {found:?}"
        );
    }
    Ok(())
}

// covers: listen-peers
/// Watches a resource, and the list of tools if that is said, while a tool changes them.
async fn watch(client: &Client, uri: &str, what: &Value) -> Result<()> {
    let with_tools = what["tools"] == json!(true);
    let mut watch = client.watch(SubscriptionFilter {
        tools_list_changed: with_tools,
        resource_subscriptions: vec![uri.to_owned()],
        ..SubscriptionFilter::default()
    });
    let state = tokio::time::timeout(HANG, watch.ready()).await.context("it is never ready")?;
    ensure!(state == WatchState::Live, "the watch is {state:?}");
    let tool = what["call"].as_str().context("no tool to call")?;
    client.call_tool(tool, json!({})).await?;
    let mut expected = vec![Change::Resource(uri.into())];
    expected.extend(with_tools.then_some(Change::Tools));
    let mut missing = expected.clone();
    while !missing.is_empty() {
        let change = tokio::time::timeout(HANG, watch.next()).await;
        let change = change.with_context(|| format!("never heard of {missing:?}"))?;
        let change = change.context("the watch has ended")?;
        ensure!(expected.contains(&change), "heard of {change:?}");
        missing.retain(|one| *one != change);
    }
    Ok(())
}

// covers: cache-fresh
/// The server lets its list of tools be kept, so the second time nobody asks it.
async fn cached(client: &Client) -> Result<()> {
    let first = client.list_tools().anew().await?;
    let second = client.list_tools().cached().await?;
    ensure!(matches!(second.source(), Source::Cache { .. }), "from {:?}", second.source());
    ensure!(first.items == second.items, "the lists differ");
    Ok(())
}

async fn call(client: &Client, tool: &str, what: &Value, heard: &Heard) -> Result<()> {
    lock(&heard.logs).clear();
    *lock(&heard.answer) = what["answer"].clone();
    let progress = Arc::new(Mutex::new(Vec::new()));
    let mut request = client.call_tool(tool, &what["arguments"]);
    if what["progress"].is_array() {
        let progress = Arc::clone(&progress);
        request = request.on_progress(move |step| lock(&progress).push(step.progress));
    }
    if what["log"].is_string() {
        request = request.log_level(LoggingLevel::Debug);
    }
    if what["resumed"] == json!(true) || what["cancelled"] == json!(true) {
        return task(client, request, what).await;
    }
    let outcome = request.await;
    if what["refused"] == json!(true) {
        return match outcome {
            Ok(result) if result.is_error => Ok(()),
            outcome => refused(outcome.map(drop)),
        };
    }
    let result = outcome?;
    let is_error = what["is_error"] == json!(true);
    ensure!(
        result.is_error == is_error,
        "is_error is {}: {}",
        result.is_error,
        result.joined_text()
    );
    if what["structured"].is_object() {
        let structured = result.structured_content.as_ref().context("no structured content")?;
        return same(&structured.parse::<Value>()?, &what["structured"]);
    }
    if let Some(kind) = what["image"].as_str() {
        return image(&result, kind);
    }
    if let Some(steps) = what["progress"].as_array() {
        let expected: Vec<f64> = steps.iter().filter_map(Value::as_f64).collect();
        ensure!(*lock(&progress) == expected, "progress was {:?}", lock(&progress));
    }
    if let Some(message) = what["log"].as_str() {
        // Legacy servers may send it on another stream, after the result.
        for _ in 0..40 {
            if lock(&heard.logs).iter().any(|log| log.contains(message)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let logs = lock(&heard.logs).clone();
        ensure!(logs.iter().any(|log| log.contains(message)), "the log was {logs:?}");
    }
    compare(&result.joined_text(), what)
}

// covers: tasks-peers
/// A task by its handle, which goes through JSON as it would through a restart.
async fn task(client: &Client, request: CallTool<'_>, what: &Value) -> Result<()> {
    let Started::Task(handle) = request.detached().await? else { bail!("it is not a task") };
    let handle: TaskHandle = serde_json::from_str(&serde_json::to_string(&handle)?)?;
    if what["cancelled"] != json!(true) {
        return compare(&client.resume_task(handle).await?.joined_text(), what);
    }
    client.cancel_task(&handle).await?;
    match client.resume_task(handle).await {
        Err(error) if matches!(error.kind(), CallErrorKind::Task(TaskError::Cancelled { .. })) => {
            Ok(())
        }
        outcome => bail!("after its cancellation: {outcome:?}"),
    }
}

fn image(result: &CallToolResult, kind: &str) -> Result<()> {
    let found = result.content.iter().find_map(|block| match block {
        ContentBlock::Image(image) => Some(image),
        _ => None,
    });
    let found = found.context("no image")?;
    ensure!(found.mime_type == kind, "the image is {}", found.mime_type);
    ensure!(found.data.len() > 20, "the image is empty");
    Ok(())
}

fn refused(outcome: Result<(), CallError>) -> Result<()> {
    match outcome {
        Err(error) if error.error_object().is_some() => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context("failed, but was not refused")),
        Ok(()) => bail!("was not refused"),
    }
}

fn compare(found: &str, what: &Value) -> Result<()> {
    if let Some(expected) = what["text"].as_str() {
        ensure!(found == expected, "the text is {found:?}");
    }
    if let Some(part) = what["contains"].as_str() {
        ensure!(found.contains(part), "the text is {found:?}");
    }
    Ok(())
}

fn same(found: &Value, expected: &Value) -> Result<()> {
    ensure!(found == expected, "found {found}");
    Ok(())
}
