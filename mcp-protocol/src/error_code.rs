//! Error codes of JSON-RPC and of the protocol.

/// The text is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist or is not offered.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are wrong.
pub const INVALID_PARAMS: i64 = -32602;
/// The receiver failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// A mirrored HTTP header differs from the body (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The request needs a capability that the client did not declare (2026-07-28).
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i64 = -32021;
/// The server does not speak the request's revision (2026-07-28).
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
/// No such resource (up to 2025-11-25).
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// A page must be visited first (2025-11-25).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// A person said no to sampling (up to 2025-11-25).
pub const USER_REJECTED: i64 = -1;
