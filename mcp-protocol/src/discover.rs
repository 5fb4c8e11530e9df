//! `server/discover`: what a modern server is and speaks.

use serde::{Deserialize, Serialize};

use crate::{
    capabilities::ServerCapabilities, implementation::Implementation, method::Method, raw::RawJson,
};

/// `server/discover` (2026-07-28).
#[derive(Debug)]
pub enum Discover {}

impl Method for Discover {
    const NAME: &'static str = "server/discover";
    type Params = ();
    type Output = DiscoverResult;
}

/// What a modern server is and speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverResult {
    /// The revisions that the server speaks.
    pub supported_versions: Vec<String>,
    /// What it offers.
    pub capabilities: ServerCapabilities,
    /// How to use the server, for a model. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// How long the result stays good, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
    /// Entries beside the result; `io.modelcontextprotocol/serverInfo` among them.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RawJson>,
    /// Where drafts put what is now in `_meta`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_info: Option<Implementation>,
}

impl DiscoverResult {
    /// What the server says it is, wherever it says so.
    pub fn implementation(&self) -> Option<Implementation> {
        #[derive(Deserialize)]
        struct Meta {
            #[serde(rename = "io.modelcontextprotocol/serverInfo")]
            server_info: Option<Implementation>,
        }
        let stated = self.meta.as_ref().and_then(|meta| meta.parse::<Meta>().ok());
        stated.and_then(|meta| meta.server_info).or_else(|| self.server_info.clone())
    }
}
