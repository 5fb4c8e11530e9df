//! Authorization for servers over HTTP: OAuth 2.1 as MCP profiles it.

mod authorization_server;

pub use authorization_server::AuthorizationServerMetadata;
