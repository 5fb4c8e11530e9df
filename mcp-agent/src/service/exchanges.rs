//! Exchanges with servers, each in a span of its own that goes along to the server.

use std::{borrow::Cow, sync::Arc};

use super::{logins::Logins, scope::Scope};
use crate::{
    caller::{Call, CallError, Caller, Operation, Reply, ServerCaller},
    layers::{CallEnd, Chooser},
    spans::{NewSpan, Span, Spans},
};

/// The servers, and who hears of what is exchanged with them. A call that is made again is another
/// exchange.
pub(super) struct Exchanges {
    servers: ServerCaller,
    logins: Logins,
    spans: Option<Arc<dyn Spans>>,
}

impl Exchanges {
    pub(super) fn new(
        servers: ServerCaller,
        logins: &Logins,
        spans: Option<Arc<dyn Spans>>,
    ) -> Self {
        Self { servers, logins: logins.clone(), spans }
    }

    /// The exchange itself. What a caller has to log in for is told here, so that no layer takes it
    /// for a fault of the server.
    async fn exchange(&self, call: Call) -> Result<Reply, CallError> {
        let is_own = call.own.is_some();
        let outcome = self.servers.call(call).await;
        if is_own { outcome.map_err(|error| self.logins.told(error)) } else { outcome }
    }
}

impl Caller for Exchanges {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let Some(spans) = &self.spans else { return self.exchange(call).await };
        let scope = Scope::current();
        let operation = &*call.operation;
        let mut span = spans.begin(NewSpan::client(name(operation), scope.trace()));
        about(&mut *span, operation);
        span.set("mcp.server.name", (&**call.replica.as_ref().unwrap_or(&call.server)).into());
        let outcome = scope.in_trace(span.context()).within(self.exchange(call)).await;
        let end = match &outcome {
            Ok(reply) => CallEnd::Replied(reply),
            Err(error) => CallEnd::Failed(error),
        };
        match &outcome {
            Ok(reply) if reply.is_error() => span.fail("tool_error", ""),
            Ok(_) => {}
            Err(error) => span.fail(end.kind(), &error.to_string()),
        }
        outcome
    }

    fn chooser(&self) -> Option<Arc<dyn Chooser>> {
        self.servers.chooser()
    }
}

/// The method and, where there are few, what it is about.
fn name(operation: &Operation) -> Cow<'static, str> {
    match operation {
        Operation::CallTool { name, .. } | Operation::GetPrompt { name, .. } => {
            format!("{} {name}", operation.method()).into()
        }
        _ => operation.method().into(),
    }
}

/// Says what is done, but neither with which arguments nor with which result.
fn about(span: &mut dyn Span, operation: &Operation) {
    span.set("mcp.method.name", operation.method().into());
    match operation {
        Operation::CallTool { name, .. } => {
            span.set("gen_ai.operation.name", "execute_tool".into());
            span.set("gen_ai.tool.name", (&**name).into());
        }
        Operation::GetPrompt { name, .. } => span.set("gen_ai.prompt.name", (&**name).into()),
        Operation::ReadResource { uri } => span.set("mcp.resource.uri", (&**uri).into()),
        Operation::Ping => {}
    }
}
