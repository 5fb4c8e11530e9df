//! The words of `error.type`, as OpenTelemetry's conventions for MCP want them: few, whatever
//! servers and clients make up.

use mcp_protocol::error_code;

use crate::layers::CallEnd;

/// A result with `isError`.
pub(crate) const TOOL_ERROR: &str = "tool_error";
/// Nobody waited for the end.
pub(crate) const CANCELLED: &str = "cancelled";

/// Of an error of JSON-RPC: its code, if anybody has written down what it means.
pub(crate) fn of_code(code: i64) -> &'static str {
    match code {
        error_code::PARSE_ERROR => "-32700",
        error_code::INVALID_REQUEST => "-32600",
        error_code::METHOD_NOT_FOUND => "-32601",
        error_code::INVALID_PARAMS => "-32602",
        error_code::INTERNAL_ERROR => "-32603",
        error_code::HEADER_MISMATCH => "-32020",
        error_code::MISSING_REQUIRED_CLIENT_CAPABILITY => "-32021",
        error_code::UNSUPPORTED_PROTOCOL_VERSION => "-32022",
        error_code::RESOURCE_NOT_FOUND => "-32002",
        error_code::URL_ELICITATION_REQUIRED => "-32042",
        error_code::USER_REJECTED => "-1",
        _ => "_OTHER",
    }
}

/// How a call failed, if it did.
pub(crate) fn of_end(end: CallEnd<'_>) -> Option<&'static str> {
    match end {
        CallEnd::Replied(reply) => reply.is_error().then_some(TOOL_ERROR),
        CallEnd::Failed(error) => {
            Some(error.refusal().map_or_else(|| error.kind(), |object| of_code(object.code)))
        }
        CallEnd::Cancelled => Some(CANCELLED),
    }
}
