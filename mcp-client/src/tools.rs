//! Tools: listing and calling them.

use std::sync::PoisonError;

use mcp_protocol::{
    cache_hint::CacheHint,
    error_code,
    list::SkippedItem,
    pagination::Cursor,
    param_headers::ParamHeaders,
    raw::RawJson,
    tools::{self, CallToolParams, CallToolResult, ListTools, ListToolsResult, Tool},
    version::Era,
};
use mcp_transport::transport::Binding;
use serde::Serialize;

use crate::{
    CallError, CallErrorKind, Client, List, Page, PageCursor, Request,
    input_required::Rounds,
    request::{Flow, Sending},
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

/// The flow of a tool call: mirrored arguments, rounds of input, one retry with fresh headers.
#[derive(Debug)]
pub enum ToolFlow {}

impl Flow<tools::CallTool> for ToolFlow {
    type Output = CallToolResult;

    async fn run(mut request: Sending<'_, tools::CallTool>) -> Result<CallToolResult, CallError> {
        let client = request.client;
        let mirrors = client.0.link.era == Era::Modern && client.0.link.binding == Binding::Http;
        if !mirrors {
            return <Rounds as Flow<tools::CallTool>>::run(request).await;
        }
        request.mirrored = mirrored_arguments(client, &request.params)
            .map_err(|error| request.error(CallErrorKind::InvalidParams(error)))?;
        let params = request.params.clone();
        let limits = (request.options.idle, request.options.total);
        match <Rounds as Flow<tools::CallTool>>::run(request).await {
            Err(error)
                if error
                    .error_object()
                    .is_some_and(|object| object.code == error_code::HEADER_MISMATCH) =>
            {
                // The server mirrors other arguments than we know of: ask, then try once more.
                client.list_tools().await?;
                let mirrored = mirrored_arguments(client, &params).map_err(|error| {
                    client.link().error(CallErrorKind::InvalidParams(error), "tools/call")
                })?;
                Request::<tools::CallTool, Rounds>::new(client, params)
                    .wants_progress()
                    .timeout(limits.0)
                    .max_time(limits.1)
                    .mirror(mirrored)
                    .await
            }
            outcome => outcome,
        }
    }
}

/// The headers for the arguments that the tool's schema wants mirrored.
fn mirrored_arguments(
    client: &Client,
    params: &CallToolParams,
) -> Result<Vec<(String, String)>, serde_json::Error> {
    match client.param_headers(&params.name) {
        Some(plan) => plan.values_of(params.arguments.as_ref()).map_err(serde::ser::Error::custom),
        None => Ok(Vec::new()),
    }
}

impl Page for ListToolsResult {
    type Item = Tool;

    fn into_parts(self) -> (Vec<Tool>, Vec<SkippedItem>, Option<Cursor>) {
        (self.tools, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> CacheHint {
        self.cache_hint()
    }

    fn learn(&mut self, client: &Client) {
        if client.0.link.era == Era::Legacy || client.0.link.binding != Binding::Http {
            return;
        }
        let mut plans = client.0.param_headers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = 0;
        self.tools.retain(|tool| {
            index += 1;
            match ParamHeaders::from_schema(&tool.input_schema) {
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
