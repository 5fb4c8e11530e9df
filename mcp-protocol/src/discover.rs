//! `server/discover`: what a modern server is and speaks.

use serde::{Deserialize, Serialize};

use crate::{
    cache_hint::{CacheHint, CacheScope},
    capabilities::ServerCapabilities,
    implementation::Implementation,
    meta::Meta,
    method::Method,
    outcome::{ResultType, only_complete},
    tolerant::optional_whole,
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
///
/// Both required members must be there and of the right shape: lenient legacy servers answer
/// anything with an empty object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverResult {
    /// The revisions that the server speaks.
    pub supported_versions: Vec<String>,
    /// What it offers.
    pub capabilities: ServerCapabilities,
    /// How to use the server, for a model. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// How long the result stays good, in milliseconds.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Who may share the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The kind of result.
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result; `io.modelcontextprotocol/serverInfo` among them.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// Where drafts put what is now in `_meta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_info: Option<Implementation>,
}

impl DiscoverResult {
    /// What the server says it is, wherever it says so. Unverified: for display only.
    pub fn implementation(&self) -> Option<Implementation> {
        let stated = self.meta.as_ref().and_then(Meta::server_info);
        stated.or_else(|| self.server_info.clone())
    }

    /// What the server says about reusing the result.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_in_either_place() {
        for wire in [
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{},
                "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}"#,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{},
                "serverInfo":{"name":"s","version":"2"}}"#,
        ] {
            let found = Discover::decode(wire.as_bytes()).unwrap();
            assert_eq!(found.implementation().unwrap().name, "s");
        }
    }

    #[test]
    fn refuses_other_shapes() {
        for wire in [
            "{}",
            r#"{"supportedVersions":["2026-07-28"]}"#,
            r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
            r#"{"supportedVersions":[1],"capabilities":{}}"#,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":[]}"#,
        ] {
            assert!(Discover::decode(wire.as_bytes()).is_err(), "{wire}");
        }
    }
}
