//! Tools: listing and calling them.

use std::sync::PoisonError;

use mcp_protocol::{
    cache_hint::CacheHint,
    error_code,
    list::SkippedItem,
    pagination::Cursor,
    param_headers::ParamHeaders,
    raw::RawJson,
    tasks::legacy::TaskMetadata,
    tools::{self, CallToolParams, CallToolResult, ListTools, ListToolsResult, TaskSupport, Tool},
    version::Era,
};
use mcp_transport::transport::Binding;
use serde::Serialize;

use crate::{
    CallError, CallErrorKind, Client, List, Page, PageCursor, Request,
    input_required::{Ended, rounds},
    progress::Late,
    request::Sending,
};

/// A tool call, sent when awaited.
pub type CallTool<'a> = Request<'a, tools::CallTool, ToolFlow>;

impl Client {
    /// Lists the server's tools, all pages of them.
    ///
    /// # Errors
    /// As any call. One malformed tool is no error: it is in [`Listing::skipped`].
    ///
    /// [`Listing::skipped`]: crate::Listing::skipped
    pub fn list_tools(&self) -> List<'_, ListTools> {
        List::new(self)
    }

    /// Calls a tool. The arguments serialize to a JSON object.
    ///
    /// A result with `is_error` is a result: it is for the model to read.
    ///
    /// # Errors
    /// See [`CallError`]; [`was_sent`](CallError::was_sent) tells whether the tool may have run.
    ///
    /// # Cancel safety
    /// As [`Client::request`].
    pub fn call_tool(&self, name: impl Into<String>, arguments: impl Serialize) -> CallTool<'_> {
        let mut request =
            Request::<tools::CallTool, ToolFlow>::new(self, CallToolParams::new(name))
                .wants_progress();
        match RawJson::from_value(&arguments) {
            Ok(arguments) => {
                // Some servers insist on an object where there is nothing to say.
                let arguments =
                    if arguments.is_null() { serde_json::json!({}).into() } else { arguments };
                request.params_mut().arguments = Some(arguments);
                request
            }
            Err(error) => request.invalid(error),
        }
    }
}

/// The flow of a tool call: rounds of input, and the task that it may become, to the end.
#[derive(Debug)]
pub enum ToolFlow {}

/// Calls a tool until it has a result or is a task: mirrored arguments, rounds of input, one retry
/// where the server knows more of the tool than we did.
pub(crate) async fn call(
    request: &mut Sending<'_, tools::CallTool>,
) -> Result<Ended<CallToolResult>, CallError> {
    let client = request.client;
    match client.0.link.era {
        Era::Legacy => legacy_call(request).await,
        Era::Modern if client.0.link.binding == Binding::Http => mirrored_call(request).await,
        Era::Modern => {
            request.params.task = None;
            rounds(request).await
        }
    }
}

async fn mirrored_call(
    request: &mut Sending<'_, tools::CallTool>,
) -> Result<Ended<CallToolResult>, CallError> {
    request.params.task = None;
    request.mirrored = mirrored_arguments(request)?;
    match rounds(request).await {
        Err(error) if is_refused_with(&error, error_code::HEADER_MISMATCH) => {
            // In a box, since it is rare and would make the future of every call larger.
            Box::pin(mirrored_anew(request)).await
        }
        outcome => outcome,
    }
}

/// The server mirrors other arguments than we know of: asks, then tries once more.
async fn mirrored_anew(
    request: &mut Sending<'_, tools::CallTool>,
) -> Result<Ended<CallToolResult>, CallError> {
    request.client.list_tools().anew().await?;
    request.mirrored = mirrored_arguments(request)?;
    rounds(request).await
}

async fn legacy_call(
    request: &mut Sending<'_, tools::CallTool>,
) -> Result<Ended<CallToolResult>, CallError> {
    let wanted = request.params.task.take();
    let tasks = request.client.server().capabilities.tasks.as_ref();
    if tasks.is_some_and(|tasks| tasks.covers("tools/call")) {
        // In a box, since it would make the future of every call larger.
        return Box::pin(legacy_call_beside_tasks(request, wanted)).await;
    }
    rounds(request).await
}

/// Calls a tool of a server some of whose tools run as tasks.
async fn legacy_call_beside_tasks(
    request: &mut Sending<'_, tools::CallTool>,
    wanted: Option<TaskMetadata>,
) -> Result<Ended<CallToolResult>, CallError> {
    let client = request.client;
    if wanted.is_some() && !client.knows_task_support() {
        client.list_tools().anew().await?;
    }
    let name = request.params.name.clone();
    request.params.task = match client.task_support(&name) {
        TaskSupport::Required => Some(wanted.unwrap_or_default()),
        TaskSupport::Optional => wanted,
        _ => None,
    };
    if request.params.task.is_some() {
        request.options.late = Late::Wanted;
    }
    match rounds(request).await {
        // So a server refuses to run a tool at once that only runs as a task.
        Err(error)
            if is_refused_with(&error, error_code::METHOD_NOT_FOUND)
                && request.params.task.is_none()
                && !client.knows_task_support() =>
        {
            client.list_tools().anew().await?;
            if client.task_support(&name) != TaskSupport::Required {
                return Err(error);
            }
            request.params.task = Some(wanted.unwrap_or_default());
            request.options.late = Late::Wanted;
            rounds(request).await
        }
        outcome => outcome,
    }
}

fn is_refused_with(error: &CallError, code: i64) -> bool {
    error.error_object().is_some_and(|object| object.code == code)
}

/// The headers for the arguments that the tool's schema wants mirrored.
pub(crate) fn mirrored_arguments(
    request: &Sending<'_, tools::CallTool>,
) -> Result<Vec<(String, String)>, CallError> {
    let link = request.client.link();
    if link.era == Era::Legacy || link.binding != Binding::Http {
        return Ok(Vec::new());
    }
    let params = &request.params;
    let Some(plan) = request.client.param_headers(&params.name) else { return Ok(Vec::new()) };
    plan.values_of(params.arguments.as_ref()).map_err(|error| {
        request.error(CallErrorKind::InvalidParams(serde::ser::Error::custom(error)))
    })
}

impl Page for ListToolsResult {
    type Item = Tool;

    fn into_parts(self) -> (Vec<Tool>, Vec<SkippedItem>, Option<Cursor>) {
        (self.tools, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        self.ttl_ms.map(|_| self.cache_hint())
    }

    fn recall(tools: &[Tool], client: &Client) {
        if client.0.link.era == Era::Legacy || client.0.link.binding != Binding::Http {
            return;
        }
        let mut plans = client.0.param_headers.lock().unwrap_or_else(PoisonError::into_inner);
        for tool in tools {
            if let Ok(plan) = ParamHeaders::from_schema(&tool.input_schema) {
                plans.insert(tool.name.clone(), plan.into());
            }
        }
    }

    fn learn(&mut self, client: &Client) {
        if client.0.link.era == Era::Legacy {
            client.learn_task_support(&self.tools);
            return;
        }
        if client.0.link.binding != Binding::Http {
            return;
        }
        let mut plans = client.0.param_headers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = 0;
        self.tools.retain(|tool| {
            index += 1;
            match ParamHeaders::from_schema(&tool.input_schema) {
                Ok(plan) if plan.is_empty() => {
                    plans.remove(&tool.name);
                    true
                }
                Ok(plan) => {
                    plans.insert(tool.name.clone(), plan.into());
                    true
                }
                Err(reason) => {
                    tracing::warn!(tool = %tool.name, %reason, "tool left out of the list");
                    self.skipped.push(SkippedItem {
                        index: index - 1,
                        name: Some(tool.name.clone()),
                        error: reason.to_string(),
                        raw: tool.input_schema.clone(),
                    });
                    false
                }
            }
        });
    }
}

impl PageCursor for ListToolsResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
