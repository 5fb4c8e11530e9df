//! The demo server: a small, honest MCP server, so that everything can be tried without any other.
//!
//! It speaks both eras: revisions up to 2025-11-25 after `initialize`, and 2026-07-28 by the
//! `_meta` of each request.

mod calculator;
mod clock;
mod notes;
mod revision;
mod text_search;
mod tools;

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
};

use mcp_protocol::{
    cache_hint::CacheScope,
    capabilities::{ListCapability, ServerCapabilities},
    discover::DiscoverResult,
    error_code,
    implementation::Implementation,
    initialize::{InitializeParams, InitializeResult},
    jsonrpc::{ErrorObject, Request},
    meta::{self, Meta},
    object::Object,
    outcome::{EmptyResult, ResultType},
    raw::RawJson,
    tools::{CallToolParams, ListToolsResult},
    version::{Era, ProtocolVersion},
};
use mcp_transport::{
    BoxFuture,
    serve::{self, HttpServeConfig, Peer, Service},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpListener;

use self::notes::Notes;

/// How long clients may keep what never changes, in milliseconds: an hour.
const TTL_MS: u64 = 3_600_000;

/// Serves over standard input and output until the input ends.
pub(crate) async fn serve() -> io::Result<()> {
    serve::stdio(DemoServer::new(Notes::in_temporary_folder())).await
}

/// Serves over HTTP, until the program ends.
pub(crate) async fn serve_http(listener: TcpListener) -> io::Result<()> {
    let server = Arc::new(DemoServer::new(Notes::in_temporary_folder()));
    serve::http(listener, server, HttpServeConfig::new(), std::future::pending()).await
}

/// The server. Requests share nothing but the folder of the notes.
#[derive(Debug)]
struct DemoServer {
    notes: Notes,
    /// Whether the client has opened a legacy connection.
    initialized: AtomicBool,
}

impl DemoServer {
    fn new(notes: Notes) -> Self {
        Self { notes, initialized: AtomicBool::new(false) }
    }

    fn answer(&self, request: &Request) -> Result<RawJson, ErrorObject> {
        let era = revision::of(request, &self.initialized)?;
        match (&*request.method, era) {
            ("initialize", Era::Legacy) => write(&initialize(&read::<InitializeParams>(request)?)),
            ("ping", Era::Legacy) => write(&EmptyResult::default()),
            ("server/discover", _) => write(&discover()),
            ("tools/list", era) => {
                let mut result =
                    ListToolsResult { tools: tools::definitions(), ..ListToolsResult::default() };
                if era == Era::Modern {
                    result.ttl_ms = Some(TTL_MS);
                    result.cache_scope = Some(CacheScope::Public);
                    result.result_type = Some(ResultType::Complete);
                    result.meta = Some(who());
                }
                write(&result)
            }
            ("tools/call", era) => {
                let params = read::<CallToolParams>(request)?;
                let mut result = tools::call(&params, &self.notes)?;
                if era == Era::Modern {
                    result.result_type = Some(ResultType::Complete);
                    result.meta = Some(who());
                }
                write(&result)
            }
            (method, _) => Err(ErrorObject::new(
                error_code::METHOD_NOT_FOUND,
                format!("there is no method `{method}`"),
            )),
        }
    }
}

impl Service for DemoServer {
    fn request<'a>(
        &'a self,
        request: Request,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        // Every tool is done in less time than a thread would take to start.
        Box::pin(async move { self.answer(&request) })
    }
}

fn implementation() -> Implementation {
    Implementation::new("mcp-demo-server", env!("CARGO_PKG_VERSION"))
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities { tools: Some(ListCapability::default()), ..ServerCapabilities::default() }
}

fn initialize(params: &InitializeParams) -> InitializeResult {
    let asked = &params.protocol_version;
    let is_ours = asked.is_supported() && asked.era() == Era::Legacy;
    InitializeResult {
        protocol_version: if is_ours { asked.clone() } else { ProtocolVersion::LATEST_LEGACY },
        capabilities: capabilities(),
        server_info: implementation(),
        instructions: Some(tools::INSTRUCTIONS.to_owned()),
        meta: None,
    }
}

fn discover() -> DiscoverResult {
    DiscoverResult {
        supported_versions: ProtocolVersion::SUPPORTED
            .iter()
            .map(|version| version.as_str().to_owned())
            .collect(),
        capabilities: capabilities(),
        instructions: Some(tools::INSTRUCTIONS.to_owned()),
        ttl_ms: Some(TTL_MS),
        cache_scope: Some(CacheScope::Public),
        result_type: Some(ResultType::Complete),
        meta: Some(who()),
        server_info: None,
    }
}

/// The `_meta` of modern results.
fn who() -> Meta {
    let mut entries = Object::default();
    if let Ok(info) = RawJson::from_value(&implementation()) {
        entries.insert(meta::SERVER_INFO, info);
    }
    Meta::new(&entries)
}

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, ErrorObject> {
    serde_json::from_slice(&request.params)
        .map_err(|error| ErrorObject::new(error_code::INVALID_PARAMS, error.to_string()))
}

fn write<T: Serialize>(result: &T) -> Result<RawJson, ErrorObject> {
    RawJson::from_value(result)
        .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
}

#[cfg(test)]
mod tests;
