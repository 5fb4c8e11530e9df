//! Authorization for servers over HTTP: OAuth 2.1 as MCP profiles it.

mod authorization_server;
mod client_authentication;
mod dpop;
mod jwt;
#[cfg_attr(not(test), expect(dead_code, reason = "the flows renew through it"))]
mod single_flight;
mod token;
mod token_endpoint;
mod token_error;
mod token_store;

pub use self::{
    authorization_server::AuthorizationServerMetadata,
    client_authentication::{ClientAuthentication, ClientCredentials},
    dpop::DpopKey,
    jwt::{JwtError, SigningAlgorithm, SigningKey},
    token::{TokenSet, TokenType},
    token_endpoint::TokenEndpoint,
    token_error::{TokenError, TokenErrorCode, TokenRefusal},
    token_store::{
        FileTokenStore, MemoryTokenStore, StoreEntry, StoreLock, TokenStore, TokenStoreError,
    },
};
