//! The table of all requests.

use super::{
    Answer, Operation, schema_of,
    shapes::{
        ChatCompletion, DeletedResponse, Models, PromptResult, ResourceResult, Response, ToolResult,
    },
};
use crate::service::{
    chat_request::ChatRequest,
    conversations::{At, Conversation, Conversations, Shown},
    drift::{Accept, DriftList},
    health::Readiness,
    listing::Which,
    logins::{Begun, Issuers, Login, LoginList, NewLogin, NewSignIn, WantedBy, WantedLogin},
    plans::{Execute, PlanReport, Resume, Validate, Validity},
    prompts::{Get, PromptList},
    resources::{Read, ResourceList},
    responses::ResponseRequest,
    server_entry::Entry,
    server_report::ServerReport,
    servers::{OneServer, ServerList, Switch},
    tools::{Call, ToolList},
};

/// Describes a request; what is not said is not there.
macro_rules! operation {
    ($method:literal, $path:literal, $id:literal, $summary:literal
        $(, query $query:ty)? $(, body $body:ty)?, $status:literal $answer:expr) => {
        Operation {
            method: $method,
            path: $path,
            id: $id,
            summary: $summary,
            query: first!($(schema_of::<$query>)?),
            body: first!($(schema_of::<$body>)?),
            status: $status,
            answer: $answer,
        }
    };
}

macro_rules! first {
    () => {
        None
    };
    ($schema:expr) => {
        Some($schema)
    };
}

const PLAN: Answer = Answer::JsonOrEvents(schema_of::<PlanReport>);

/// In the order in which people meet them.
pub(super) const OPERATIONS: &[Operation] = &[
    operation!("get", "/mcp/servers", "listServers", "Every server: state, reason, latency, use",
        200 Answer::Json(schema_of::<ServerList>)),
    operation!("post", "/mcp/servers", "addServer", "Adds a server that is reached by URL, or of a template",
        body Entry, 201 Answer::Json(schema_of::<ServerReport>)),
    operation!("get", "/mcp/servers/status", "serversStatus", "As listServers",
        200 Answer::Json(schema_of::<ServerList>)),
    operation!("get", "/mcp/servers/{name}", "getServer",
        "One server, with the last lines of its standard error",
        200 Answer::Json(schema_of::<OneServer>)),
    operation!("patch", "/mcp/servers/{name}", "switchServer", "Switches a server on or off",
        body Switch, 202 Answer::Nothing),
    operation!("delete", "/mcp/servers/{name}", "removeServer", "Ends a server and forgets it",
        204 Answer::Nothing),
    operation!("post", "/mcp/servers/{name}/restart", "restartServer",
        "Starts a server anew, whatever it is doing", 202 Answer::Nothing),
    operation!("get", "/mcp/servers/{name}/drift", "showDrift",
        "Tools of a server that are not as they were agreed to",
        200 Answer::Json(schema_of::<DriftList>)),
    operation!("post", "/mcp/servers/{name}/drift/accept", "acceptDrift",
        "Agrees to the tools of a server as they are now, or to one",
        body Accept, 200 Answer::Json(schema_of::<DriftList>)),
    operation!("get", "/mcp/tools", "listTools", "The tools, of all servers or of one",
        query Which, 200 Answer::Json(schema_of::<ToolList>)),
    operation!("post", "/mcp/tools/call", "callTool", "Calls a tool",
        body Call, 200 Answer::JsonOrEvents(schema_of::<ToolResult>)),
    operation!("get", "/mcp/resources", "listResources", "The resources, of all servers or of one",
        query Which, 200 Answer::Json(schema_of::<ResourceList>)),
    operation!("post", "/mcp/resources/read", "readResource", "Reads a resource",
        body Read, 200 Answer::Json(schema_of::<ResourceResult>)),
    operation!("get", "/mcp/prompts", "listPrompts", "The prompts, of all servers or of one",
        query Which, 200 Answer::Json(schema_of::<PromptList>)),
    operation!("post", "/mcp/prompts/get", "getPrompt", "Fills a prompt in",
        body Get, 200 Answer::Json(schema_of::<PromptResult>)),
    operation!("post", "/mcp/plans/validate", "validatePlan", "Says whether a plan can run",
        body Validate, 200 Answer::Json(schema_of::<Validity>)),
    operation!("post", "/mcp/plans/run", "runPlan", "Runs a plan", body Execute, 200 PLAN),
    operation!("post", "/mcp/plans/resume", "resumePlan", "Runs what of a plan has not ended well",
        body Resume, 200 PLAN),
    operation!("get", "/mcp/conversations", "listConversations", "What is kept, the latest first",
        200 Answer::Json(schema_of::<Conversations>)),
    operation!("get", "/mcp/conversations/{name}", "getConversation",
        "A conversation with what was said", query At, 200 Answer::Json(schema_of::<Shown>)),
    operation!("delete", "/mcp/conversations/{name}", "removeConversation",
        "Forgets a conversation", 204 Answer::Nothing),
    operation!("get", "/mcp/conversations/{name}/export", "exportConversation",
        "A conversation in Markdown", query At, 200 Answer::Text("text/markdown")),
    operation!("post", "/mcp/conversations/{name}/fork", "forkConversation",
        "The same conversation under another name",
        body At, 201 Answer::Json(schema_of::<Conversation>)),
    operation!("get", "/mcp/logins", "listLogins",
        "What whoever asks is logged in to, of the servers at which each caller logs in",
        200 Answer::Json(schema_of::<LoginList>)),
    operation!("post", "/mcp/logins", "createLogin", "An address where a person logs in to a server",
        body NewLogin, 201 Answer::Json(schema_of::<WantedLogin>)),
    operation!("delete", "/mcp/logins/{server}", "removeLogin", "Logs out of a server",
        200 Answer::Json(schema_of::<Login>)),
    operation!("get", "/connect/{id}", "showLoginPage",
        "The page on which a person logs in to a server", 200 Answer::Text("text/html")),
    operation!("get", "/connect/{id}/wanted", "showWantedLogin",
        "What the person who opens the address of a login is about to do",
        200 Answer::Json(schema_of::<WantedBy>)),
    operation!("post", "/connect/{id}", "beginLogin",
        "Begins a login in this browser, which keeps a cookie",
        200 Answer::Json(schema_of::<Begun>)),
    operation!("get", "/connect/issuers", "listIssuers",
        "Where the person who opens the address of a login can sign in",
        200 Answer::Json(schema_of::<Issuers>)),
    operation!("post", "/connect/{id}/sign-in", "beginSignIn",
        "Begins to sign somebody in at an issuer, in this browser, which keeps a cookie",
        body NewSignIn, 200 Answer::Json(schema_of::<Begun>)),
    operation!("get", "/mcp/events", "watchEvents", "What happens to servers and calls",
        200 Answer::Events),
    operation!("get", "/v1/models", "listModels", "The model",
        200 Answer::Json(schema_of::<Models>)),
    operation!("post", "/v1/chat/completions", "createChatCompletion",
        "An answer of the model, which uses the tools of the servers",
        body ChatRequest, 200 Answer::JsonOrEvents(schema_of::<ChatCompletion>)),
    operation!("post", "/v1/responses", "createResponse",
        "The same, in the way of OpenAI's other API",
        body ResponseRequest, 200 Answer::JsonOrEvents(schema_of::<Response>)),
    operation!("get", "/v1/responses/{id}", "getResponse", "A response that is kept",
        200 Answer::Json(schema_of::<Response>)),
    operation!("delete", "/v1/responses/{id}", "deleteResponse", "Forgets a response",
        200 Answer::Json(schema_of::<DeletedResponse>)),
    operation!("get", "/openapi.json", "getDescription", "This document",
        200 Answer::Json(schema_of::<serde_json::Map<String, serde_json::Value>>)),
    operation!("get", "/metrics", "getMetrics", "Counters of all servers, for Prometheus",
        200 Answer::Text("text/plain")),
    operation!("get", "/healthz", "isAlive", "Whether the process answers",
        200 Answer::Text("text/plain")),
    operation!("get", "/readyz", "isReady", "Whether no server is starting any more",
        200 Answer::Json(schema_of::<Readiness>)),
];
