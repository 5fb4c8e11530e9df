//! Error codes of JSON-RPC and of the protocol, and the `data` that some of them carry.
//!
//! Codes from -32000 to -32019 belong to implementations; apart from
//! [`RESOURCE_NOT_FOUND`] nothing may be concluded from them.

use serde::{Deserialize, Serialize};

use crate::{
    capabilities::ClientCapabilities, elicitation::ElicitUrlParams, version::ProtocolVersion,
};

/// The peer received text that is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method, or one behind a capability that was not advertised.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are wrong: unknown tool or prompt, bad cursor, missing `_meta`, and, from
/// 2026-07-28, unknown resource.
pub const INVALID_PARAMS: i64 = -32602;
/// The peer failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// HTTP headers contradict the body, or are missing. 2026-07-28.
pub const HEADER_MISMATCH: i64 = -32020;
/// The request needs a capability that it did not declare; see [`MissingRequiredClientCapability`].
/// 2026-07-28.
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i64 = -32021;
/// The server does not speak the request's revision; see [`UnsupportedProtocolVersion`].
/// 2026-07-28.
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
/// No such resource, up to 2025-11-25; later [`INVALID_PARAMS`].
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// The request needs the user to visit addresses first; see [`UrlElicitationRequired`]. 2025-11-25.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// The user refused a sampling request, up to 2025-11-25.
pub const USER_REJECTED: i64 = -1;

/// Whether only a server of the modern era answers with this code, whatever was asked.
pub fn is_modern(code: i64) -> bool {
    matches!(
        code,
        HEADER_MISMATCH | MISSING_REQUIRED_CLIENT_CAPABILITY | UNSUPPORTED_PROTOCOL_VERSION
    )
}

/// The `data` of [`UNSUPPORTED_PROTOCOL_VERSION`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedProtocolVersion {
    /// What the server speaks.
    pub supported: Vec<ProtocolVersion>,
    /// What the request named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<ProtocolVersion>,
}

/// The `data` of [`MISSING_REQUIRED_CLIENT_CAPABILITY`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingRequiredClientCapability {
    /// What the request should have declared.
    pub required_capabilities: ClientCapabilities,
}

/// The `data` of [`URL_ELICITATION_REQUIRED`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlElicitationRequired {
    /// The visits to make before the request is sent again.
    pub elicitations: Vec<ElicitUrlParams>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jsonrpc::ErrorObject;

    #[test]
    fn data_is_read_by_code() {
        let error: ErrorObject = serde_json::from_value(json!({
            "code": UNSUPPORTED_PROTOCOL_VERSION, "message": "m",
            "data": {"supported": ["2025-11-25", "2030-01-01"], "extra": 1},
        }))
        .unwrap();
        let data: UnsupportedProtocolVersion = error.data.unwrap().parse().unwrap();
        assert_eq!(
            data.supported,
            [ProtocolVersion::V2025_11_25, ProtocolVersion::new("2030-01-01")]
        );

        let data: MissingRequiredClientCapability =
            serde_json::from_value(json!({"requiredCapabilities": {"elicitation": {"url": {}}}}))
                .unwrap();
        assert!(data.required_capabilities.elicitation.unwrap().offers_url());

        let data: UrlElicitationRequired = serde_json::from_value(json!({"elicitations": [
            {"mode": "url", "message": "m", "url": "https://example.com", "elicitationId": "e"},
        ]}))
        .unwrap();
        assert_eq!(data.elicitations[0].elicitation_id.as_deref(), Some("e"));
    }

    // covers: era-probe, error-codes-any
    #[test]
    fn only_three_codes_tell_the_era() {
        for (code, modern) in [
            (HEADER_MISMATCH, true),
            (MISSING_REQUIRED_CLIENT_CAPABILITY, true),
            (UNSUPPORTED_PROTOCOL_VERSION, true),
            (METHOD_NOT_FOUND, false),
            (-32000, false),
            (RESOURCE_NOT_FOUND, false),
        ] {
            assert_eq!(is_modern(code), modern, "{code}");
        }
    }
}
