//! The span of a request of MCP.

use std::borrow::Cow;

use mcp_protocol::jsonrpc::{Request, RequestId};
use serde::Deserialize;

use super::operations::{METHODS, method_index};
use crate::{
    service::scope::Scope,
    spans::{NewSpan, Span, Spans},
};

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// Begins it. Tools and prompts are not in its name: whoever asks may have made them up.
pub(super) fn begin(spans: &dyn Spans, request: &Request, scope: &Scope) -> Box<dyn Span> {
    let method = METHODS[method_index(&request.method)];
    let mut span = spans.begin(NewSpan::server(method, scope.trace()));
    span.set("mcp.method.name", method.into());
    match &request.id {
        RequestId::Number(id) => span.set("jsonrpc.request.id", id.to_string().as_str().into()),
        RequestId::String(id) => span.set("jsonrpc.request.id", (&**id).into()),
    }
    let name = |attribute, span: &mut dyn Span| {
        let named = serde_json::from_slice::<Named>(&request.params).ok();
        if let Some(name) = named.and_then(|named| named.name) {
            span.set(attribute, (&*name).into());
        }
    };
    match method {
        "tools/call" => {
            span.set("gen_ai.operation.name", "execute_tool".into());
            name("gen_ai.tool.name", &mut *span);
        }
        "prompts/get" => name("gen_ai.prompt.name", &mut *span),
        _ => {}
    }
    span
}
