//! Credentials for HTTP requests, declared here and implemented by the client's `oauth`.

use std::fmt;

use http::{HeaderMap, HeaderValue};

use crate::{BoxFuture, error::BoxError};

/// Puts credentials on requests, and decides what to do when they are refused.
pub trait Authorize: Send + Sync + fmt::Debug + 'static {
    /// Adds headers to a request that is about to be sent. It sees method and URL, since some
    /// schemes (RFC 9449) sign them.
    ///
    /// # Errors
    /// No credentials can be had; the request is not sent.
    fn authorize<'a>(
        &'a self,
        target: Target<'a>,
        headers: &'a mut HeaderMap,
    ) -> BoxFuture<'a, Result<(), BoxError>>;

    /// The server answered 401 or 403. Returns whether the request is worth sending again.
    ///
    /// # Errors
    /// New credentials cannot be had.
    fn challenged<'a>(
        &'a self,
        target: Target<'a>,
        challenge: Challenge<'a>,
    ) -> BoxFuture<'a, Result<Verdict, BoxError>>;

    /// Looks at the headers of an answer that was no refusal; some schemes hand out nonces there.
    fn answered(&self, target: Target<'_>, headers: &HeaderMap) {
        let _ = (target, headers);
    }

    /// Whether a person is being asked for consent right now. Clocks of callers stand still
    /// meanwhile.
    fn is_asking(&self) -> bool {
        false
    }
}

/// The request that wants credentials.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// `POST`, `GET` or `DELETE`.
    pub method: &'a http::Method,
    /// The MCP endpoint.
    pub url: &'a http::Uri,
}

/// How a server refused a request.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// 401 or 403.
    pub status: http::StatusCode,
    /// All headers of the refusal, `WWW-Authenticate` and nonces among them.
    pub headers: &'a HeaderMap,
    /// The `Authorization` header that was refused. By now there may be a better one, since other
    /// requests are refused too.
    pub refused: Option<&'a HeaderValue>,
    /// How many times this request was refused so far, from 1.
    pub attempt: u32,
}

/// What to do with a refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it again; `authorize` has something new.
    Retry,
    /// Give the refusal to the caller.
    GiveUp,
}
