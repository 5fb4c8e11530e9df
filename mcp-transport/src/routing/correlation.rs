//! Which request a notification belongs to, and which one a malformed message was meant to answer.

use mcp_protocol::jsonrpc::RequestId;
use serde::Deserialize;

/// The fields of a notification's parameters that name a request. Everything else is skipped.
#[derive(Debug, Default, Deserialize)]
struct Params {
    #[serde(default, rename = "progressToken")]
    progress_token: Option<RequestId>,
    #[serde(default, rename = "requestId")]
    request_id: Option<RequestId>,
    #[serde(default, rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription_id: Option<RequestId>,
}

/// Which request of ours a notification names, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// By the progress token: our clients use the request's id as its token.
    Progress(RequestId),
    /// By the subscription: its id is that of the `subscriptions/listen` request.
    Subscription(RequestId),
    /// The server ends a request of the modern era. In the legacy era it means one of its own.
    Cancelled(RequestId),
    /// It names none.
    Nothing,
}

pub(super) fn of_notification(method: &str, params: &[u8]) -> Names {
    let Ok(found) = serde_json::from_slice::<Params>(params) else { return Names::Nothing };
    if let Some(id) = found.meta.and_then(|meta| meta.subscription_id) {
        return Names::Subscription(id);
    }
    match (method, found.progress_token, found.request_id) {
        ("notifications/progress", Some(id), _) => Names::Progress(id),
        ("notifications/cancelled", _, Some(id)) => Names::Cancelled(id),
        _ => Names::Nothing,
    }
}

/// The id in a message that is JSON, but not JSON-RPC.
pub(super) fn of_malformed(text: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Envelope {
        id: RequestId,
        #[serde(default)]
        method: Option<serde::de::IgnoredAny>,
    }
    let envelope = serde_json::from_slice::<Envelope>(text).ok()?;
    envelope.method.is_none().then_some(envelope.id)
}
