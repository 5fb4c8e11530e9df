//! The Model Context Protocol as types.
#![forbid(unsafe_code)]

pub mod decode;
pub mod jsonrpc;
pub mod method;
pub mod raw;
mod scan;
pub mod error_code;
pub mod version;
