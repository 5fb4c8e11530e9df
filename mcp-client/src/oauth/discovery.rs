//! From a refusal to the authorization server that can help.

use url::Url;

use super::{
    OAuthError, TokenSet,
    authorization_server::{self, AuthorizationServerMetadata},
    boundary,
    challenge::AuthenticateChallenge,
    fetch::{Document, Web},
    protected_resource::{self, ProtectedResourceMetadata},
};

/// What the metadata of both servers says.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Goes into every request for a token, byte for byte.
    pub(super) resource: String,
    /// The scopes that the MCP server lists.
    pub(super) resource_scopes: Option<Vec<String>>,
    pub(super) metadata: AuthorizationServerMetadata,
    /// Whether the metadata was published. If not, the endpoints are those that revision
    /// 2025-03-26 assumes.
    pub(super) published: bool,
    /// Whether the MCP server takes only tokens that are bound to a key.
    pub(super) bound_tokens: bool,
}

impl Web {
    /// Reads the metadata of the MCP server and of its authorization server. Of several, `prefer`
    /// says which are known already.
    pub(super) async fn discover(
        &self,
        challenges: &[AuthenticateChallenge],
        prefer: impl Fn(&str) -> bool,
    ) -> Result<Found, OAuthError> {
        if let Some(url) = &self.token_url {
            return self.given(url);
        }
        if let Some(issuer) = &self.issuer {
            return self.named(issuer).await;
        }
        let named = challenges
            .iter()
            .filter(|challenge| challenge.is_oauth())
            .find_map(|challenge| challenge.param("resource_metadata"));
        let Some(resource) = self.protected_resource(named).await? else {
            return self.legacy().await;
        };
        let issuers = &resource.authorization_servers;
        let issuer = issuers.iter().find(|issuer| prefer(issuer)).or(issuers.first());
        let Some(issuer) = issuer else {
            let server = boundary::shown(self.boundary().server());
            return Err(OAuthError::NoAuthorizationServer { server });
        };
        let Some(metadata) = self.authorization_server(issuer).await? else {
            return Err(OAuthError::NoMetadata { issuer: super::readable(issuer) });
        };
        Ok(Found {
            metadata,
            published: true,
            resource: resource.resource,
            resource_scopes: resource.scopes_supported,
            bound_tokens: resource.dpop_bound_access_tokens_required,
        })
    }

    /// The metadata of the authorization server that issued these tokens.
    pub(super) async fn issuer_of(&self, tokens: &TokenSet) -> Result<Found, OAuthError> {
        if let Some(url) = &self.token_url {
            return self.given(url);
        }
        let issuer = &tokens.issuer;
        let own = self.boundary().server().origin().ascii_serialization();
        let (metadata, published) = match self.authorization_server(issuer).await? {
            Some(metadata) => (metadata, true),
            None if *issuer == own => (AuthorizationServerMetadata::assumed(issuer), false),
            None => return Err(OAuthError::NoMetadata { issuer: super::readable(issuer) }),
        };
        Ok(Found {
            metadata,
            published,
            resource: tokens.resource.clone(),
            resource_scopes: None,
            bound_tokens: tokens.dpop_key.is_some(),
        })
    }

    async fn protected_resource(
        &self,
        named: Option<&str>,
    ) -> Result<Option<ProtectedResourceMetadata>, OAuthError> {
        let server = self.boundary().server();
        let places = match named {
            Some(url) => vec![boundary::parse(url)?],
            None => protected_resource::well_known(server),
        };
        for url in places {
            match self.document::<ProtectedResourceMetadata>(&url).await? {
                Document::Found(metadata) if metadata.is_for(server) => return Ok(Some(metadata)),
                Document::Found(metadata) => {
                    return Err(OAuthError::ResourceMismatch {
                        server: boundary::shown(server),
                        resource: super::readable(&metadata.resource),
                    });
                }
                // What was named must be there.
                Document::Absent if named.is_some() => {
                    let reason = "there is none".to_owned();
                    return Err(OAuthError::Document { url: boundary::shown(&url), reason });
                }
                Document::Absent => {}
            }
        }
        Ok(None)
    }

    async fn authorization_server(
        &self,
        issuer: &str,
    ) -> Result<Option<AuthorizationServerMetadata>, OAuthError> {
        let url = boundary::parse(issuer)?;
        self.boundary().endpoint(&url)?;
        let places = match &self.metadata_url {
            Some(place) => vec![boundary::parse(place)?],
            None => authorization_server::well_known(&url),
        };
        for place in places {
            if let Document::Found(metadata) = self.document(&place).await? {
                return same_issuer(issuer, metadata).map(Some);
            }
        }
        Ok(None)
    }

    /// The user said which authorization server it is.
    async fn named(&self, issuer: &str) -> Result<Found, OAuthError> {
        let metadata = self.authorization_server(issuer).await?;
        let metadata =
            metadata.ok_or_else(|| OAuthError::NoMetadata { issuer: super::readable(issuer) })?;
        Ok(Found {
            metadata,
            published: true,
            resource: canonical(self.boundary().server()),
            resource_scopes: None,
            bound_tokens: false,
        })
    }

    /// The user said where tokens are to be had. Its origin stands for the issuer.
    fn given(&self, token_url: &str) -> Result<Found, OAuthError> {
        let url = boundary::parse(token_url)?;
        self.boundary().endpoint(&url)?;
        let metadata = AuthorizationServerMetadata {
            token_endpoint: Some(token_url.to_owned()),
            ..AuthorizationServerMetadata::new(url.origin().ascii_serialization())
        };
        Ok(Found {
            metadata,
            published: true,
            resource: canonical(self.boundary().server()),
            resource_scopes: None,
            bound_tokens: false,
        })
    }

    /// A server of revision 2025-03-26 is its own authorization server, at the root of its origin.
    async fn legacy(&self) -> Result<Found, OAuthError> {
        let server = self.boundary().server();
        let origin = server.origin().ascii_serialization();
        let root = boundary::parse(&origin)?;
        self.boundary().endpoint(&root)?;
        let place = at_root(&root);
        let (metadata, published) = match self.document(&place).await? {
            Document::Found(metadata) => {
                // Written with or without the slash; the comparison is exact otherwise.
                let metadata: AuthorizationServerMetadata = metadata;
                let slashed = metadata.issuer == root.as_str();
                (same_issuer(if slashed { root.as_str() } else { &origin }, metadata)?, true)
            }
            Document::Absent => (AuthorizationServerMetadata::assumed(&origin), false),
        };
        Ok(Found {
            metadata,
            published,
            resource: canonical(server),
            resource_scopes: None,
            bound_tokens: false,
        })
    }
}

/// The server's own URL as a resource: without fragment, and without the slash that a bare origin
/// gets from the parser.
fn canonical(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    if url.path() == "/" && url.query().is_none() {
        return url.origin().ascii_serialization();
    }
    url.into()
}

fn at_root(root: &Url) -> Url {
    let mut url = root.clone();
    url.set_path("/.well-known/oauth-authorization-server");
    url
}

/// Metadata counts only under the name that it was asked for (RFC 8414 section 3.3).
fn same_issuer(
    expected: &str,
    metadata: AuthorizationServerMetadata,
) -> Result<AuthorizationServerMetadata, OAuthError> {
    if metadata.issuer == expected {
        return Ok(metadata);
    }
    Err(OAuthError::IssuerMismatch {
        expected: super::readable(expected),
        found: super::readable(&metadata.issuer),
    })
}
