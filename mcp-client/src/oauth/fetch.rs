//! Requests for metadata and to endpoints, within the boundary.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use mcp_transport::http::{HttpClient, PlainAnswer, PlainLimits, Reach};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    OAuthError,
    boundary::{self, Boundary},
    challenge::AuthenticateChallenge,
    settings::Settings,
};

/// The largest document that is read.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;
/// How often a redirect is followed.
const MAX_REDIRECTS: usize = 3;
const LIMITS: PlainLimits = PlainLimits {
    connect: Some(Duration::from_secs(10)),
    first_byte: Some(Duration::from_secs(20)),
    idle: Some(Duration::from_secs(20)),
};

/// HTTP for everything around authorization, apart from the MCP server's own connections.
#[derive(Debug)]
pub(super) struct Web {
    boundary: Boundary,
    anywhere: HttpClient,
    public: HttpClient,
    /// The authorization server, where the user says which it is.
    pub(super) issuer: Option<String>,
    /// Where the user says that the authorization server's metadata is.
    pub(super) metadata_url: Option<String>,
    /// Where the user says that tokens are to be had; then nothing is looked for.
    pub(super) token_url: Option<String>,
}

/// What came of asking for a document.
pub(super) enum Document<T> {
    Found(T),
    /// There is none here: any answer of 4xx, or one that is not JSON at all.
    Absent,
}

impl Web {
    pub(super) fn new(boundary: Boundary, settings: &Settings) -> Self {
        let client = || HttpClient::new().tls(settings.tls.clone()).proxy(settings.proxy.clone());
        Self {
            boundary,
            anywhere: client(),
            public: client().reach(Reach::Public),
            issuer: settings.issuer.clone(),
            metadata_url: settings.metadata_url.clone(),
            token_url: settings.token_url.clone(),
        }
    }

    pub(super) fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// The client for an endpoint of an authorization server, if it may be used at all.
    pub(super) fn client_for(&self, endpoint: &str) -> Result<&HttpClient, OAuthError> {
        let url = boundary::parse(endpoint)?;
        Ok(self.within(self.boundary.endpoint(&url)?))
    }

    fn within(&self, reach: Reach) -> &HttpClient {
        match reach {
            Reach::Anywhere => &self.anywhere,
            _ => &self.public,
        }
    }

    /// Reads a metadata document. Redirects are followed as far as the boundary permits.
    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        url: &Url,
    ) -> Result<Document<T>, OAuthError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reach = self.boundary.metadata(&url)?;
            let mut answer = self.get(&url, reach).await?;
            if answer.status.is_redirection()
                && let Some(location) = answer.headers.get(header::LOCATION)
            {
                let location = String::from_utf8_lossy(location.as_bytes());
                url = url
                    .join(&location)
                    .map_err(|_| boundary::forbidden(&url, "it redirects to no URL"))?;
                continue;
            }
            if answer.status.is_client_error() {
                return Ok(Document::Absent);
            }
            if answer.status != StatusCode::OK {
                let status = answer.status;
                return Err(OAuthError::Status { url: boundary::shown(&url), status });
            }
            let body =
                answer.bytes(MAX_DOCUMENT_BYTES).await.map_err(|source| lost(&url, source))?;
            return match serde_json::from_slice(&body) {
                Ok(document) => Ok(Document::Found(document)),
                // Some servers answer every path with their web page.
                Err(_) if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() => {
                    Ok(Document::Absent)
                }
                Err(error) => Err(OAuthError::Document {
                    url: boundary::shown(&url),
                    reason: error.to_string(),
                }),
            };
        }
        Err(boundary::forbidden(&url, "it redirects too often"))
    }

    async fn get(&self, url: &Url, reach: Reach) -> Result<PlainAnswer, OAuthError> {
        let mut request = request(Method::GET, url, Bytes::new())?;
        // Only revision 2025-03-26 gives the header a meaning here.
        let version = HeaderValue::from_static("2025-03-26");
        request.headers_mut().insert("mcp-protocol-version", version);
        self.within(reach).send(request, LIMITS).await.map_err(|source| lost(url, source))
    }

    /// Asks the MCP server for something without showing a token, to hear what it wants to see.
    /// Nothing, if it does not refuse, or need not be asked.
    pub(super) async fn knock(&self) -> Result<Vec<AuthenticateChallenge>, OAuthError> {
        if self.issuer.is_some() {
            return Ok(Vec::new());
        }
        let server = self.boundary.server();
        let ping = Bytes::from_static(br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
        let mut request = request(Method::POST, server, ping)?;
        let headers = request.headers_mut();
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self
            .within(self.boundary.reach())
            .send(request, LIMITS)
            .await
            .map_err(|source| lost(server, source))?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(Vec::new());
        }
        Ok(AuthenticateChallenge::all(&answer.headers))
    }

    /// Posts JSON to an endpoint of an authorization server; follows no redirect.
    pub(super) async fn post_json(
        &self,
        endpoint: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), OAuthError> {
        let url = boundary::parse(endpoint)?;
        let client = self.within(self.boundary.endpoint(&url)?);
        let mut request = request(Method::POST, &url, body.into())?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let mut answer = client.send(request, LIMITS).await.map_err(|source| lost(&url, source))?;
        let body = answer.bytes(MAX_DOCUMENT_BYTES).await.map_err(|source| lost(&url, source))?;
        Ok((answer.status, body))
    }
}

fn request(method: Method, url: &Url, body: Bytes) -> Result<Request<Bytes>, OAuthError> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|error: http::uri::InvalidUri| boundary::forbidden(url, &error.to_string()))?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::ACCEPT, json);
    Ok(request)
}

fn lost(url: &Url, source: mcp_transport::DeliveryError) -> OAuthError {
    OAuthError::Delivery { url: boundary::shown(url), source }
}
