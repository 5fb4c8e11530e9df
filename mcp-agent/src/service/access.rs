//! Who may ask the service.

use std::{io, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_client::Secret;
use mcp_transport::serve::Guard;
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

use super::{
    dashboard,
    problem::{Problem, ProblemCode},
};

/// What a request must show.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) guard: Guard,
    pub(super) token: Option<Secret>,
}

/// A new token, of 32 random bytes.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_token() -> io::Result<Secret> {
    let mut bytes = [0_u8; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system has no randomness to give"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Refuses requests for foreign hosts, of foreign pages, and without the token.
pub(super) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(reason) = access.guard.check(request.headers(), request.uri()) {
        return Problem::new(ProblemCode::Refused, reason).into_response();
    }
    let path = request.uri().path();
    let is_open = matches!(path, "/healthz" | "/readyz") || dashboard::is_part(path);
    match &access.token {
        Some(token) if !is_open && !shows(request.headers(), token) => {
            Problem::unauthorized().into_response()
        }
        _ => next.run(request).await,
    }
}

fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return false };
    let shown = shown.as_bytes();
    let Some((scheme, shown)) = shown.split_at_checked("Bearer ".len()) else { return false };
    // The time of comparing digests tells nothing of the token.
    scheme.eq_ignore_ascii_case(b"Bearer ")
        && digest(&SHA256, shown).as_ref() == digest(&SHA256, token.reveal().as_bytes()).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = Secret::new("s3cret");
        for (header, passes) in [
            (Some("Bearer s3cret"), true),
            (Some("bearer s3cret"), true),
            (Some("Bearer s3cre"), false),
            (Some("Bearer  s3cret"), false),
            (Some("Basic s3cret"), false),
            (Some("s3cret"), false),
            (Some("Bearer "), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("authorization", header.parse().unwrap());
            }
            assert_eq!(shows(&headers, &token), passes, "{header:?}");
        }
    }
}
