//! What those are told who are not let in: challenges (RFC 6750), and where tokens come from
//! (RFC 9728).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    super::{
        Service,
        problem::{Problem, ProblemCode},
    },
    Authority as Trusted,
};

/// Where the metadata of protected resources begins.
pub(in crate::service) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// A refusal, with the challenge that belongs to it.
pub(super) fn refuse(
    problem: Problem,
    error: Option<&str>,
    trusted: &Trusted,
    headers: &HeaderMap,
    uri: &Uri,
) -> Response {
    let mut parts = vec![r#"Bearer realm="mcp""#.to_owned()];
    if let Some(error) = error {
        parts.push(format!(r#"error="{error}""#));
        parts.push(format!(r#"error_description="{}""#, quotable(problem.detail())));
    }
    if trusted.has_issuers()
        && let Some(base) = base(trusted, headers, uri)
    {
        let path = if is_endpoint(uri.path()) { uri.path() } else { "/mcp" };
        parts.push(format!(r#"resource_metadata="{base}{METADATA}{path}""#));
    }
    let mut response = problem.into_response();
    if let Ok(challenge) = HeaderValue::try_from(parts.join(", ")) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Which authorization servers' tokens are taken for an endpoint. Nothing where no tokens are.
pub(in crate::service) async fn metadata(
    State(service): State<Service>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let nothing = || {
        Problem::new(ProblemCode::NotFound, "this service takes no tokens of authorization servers")
            .with_status(StatusCode::NOT_FOUND)
    };
    let trusted = service.access();
    let path = uri.path().strip_prefix(METADATA).unwrap_or_default();
    let base = base(&trusted, &headers, &uri).filter(|_| trusted.has_issuers());
    let base = base.ok_or_else(nothing)?;
    if !(path.is_empty() || is_endpoint(path)) {
        return Err(nothing());
    }
    let issuers: Vec<_> = trusted.issuers().map(|issuer| &issuer.issuer).collect();
    let scopes: Vec<_> = trusted
        .issuers()
        .filter(|issuer| issuer.claim == "scope")
        .flat_map(|issuer| &issuer.grants)
        .map(|grant| &*grant.value)
        .filter(|value| *value != "*")
        .collect();
    let mut told = json!({
        "resource": format!("{base}{path}"),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    if !scopes.is_empty() {
        told["scopes_supported"] = json!(scopes);
    }
    Ok(Json(told))
}

fn is_endpoint(path: &str) -> bool {
    path == "/mcp" || (path.starts_with("/servers/") && path.ends_with("/mcp"))
}

/// Where the client reaches the service. The host was checked before.
fn base(trusted: &Trusted, headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(url) = trusted.public_url() {
        return Some(url.trim_end_matches('/').to_owned());
    }
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse::<Authority>().ok()?,
        None => uri.authority()?.clone(),
    };
    Some(format!("http://{host}"))
}

/// The characters that RFC 6750 has in a description.
fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '\'' })
        .collect()
}
