//! The headers of requests, put together once and cloned.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
    },
};
use mcp_protocol::version::{Era, ProtocolVersion};

use super::{content_coding, endpoint::Endpoint};
use crate::{
    ConnectError, DeliveryError, OutgoingRequest, error::DeliveryErrorKind, transport::Mirrored,
};

/// The version of the protocol, on every request but `initialize`.
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method of the body, modern only.
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name of what is called, read or got, modern only.
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The session, legacy only.
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Where a resumed stream goes on, legacy only.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON_OR_EVENTS: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("mcp-transport/", env!("CARGO_PKG_VERSION")));

/// Headers that the transport sets itself; a configuration cannot.
const RESERVED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Makes the headers of requests.
#[derive(Debug)]
pub(super) struct Headers {
    /// For every request of every kind.
    base: HeaderMap,
    last: Mutex<Option<Ready>>,
}

/// The headers of the last request, since the next is likely to be of the same kind.
#[derive(Debug)]
struct Ready {
    kind: Kind,
    headers: HeaderMap,
}

/// What the headers of a message depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) era: Era,
    pub(super) version: Option<ProtocolVersion>,
    /// Of a modern request.
    pub(super) method: Option<Cow<'static, str>>,
    /// Whether a modern request has a name, which replaces the place kept for it.
    pub(super) named: bool,
    /// Of a legacy session.
    pub(super) session: Option<HeaderValue>,
}

impl Headers {
    /// Headers for an endpoint, with the user's own.
    pub(super) fn new(endpoint: &Endpoint, own: HeaderMap, compressed: bool) -> Self {
        let mut base = own;
        base.entry(USER_AGENT).or_insert(AGENT);
        base.insert(HOST, endpoint.authority.clone());
        base.insert(ACCEPT, JSON_OR_EVENTS);
        base.insert(CONTENT_TYPE, JSON);
        if compressed {
            base.insert(ACCEPT_ENCODING, HeaderValue::from_static(content_coding::ACCEPTED));
        }
        if let Some(credentials) = &endpoint.credentials {
            base.entry(AUTHORIZATION).or_insert_with(|| credentials.clone());
        }
        Self { base, last: Mutex::new(None) }
    }

    /// The same headers for other requests.
    pub(super) fn again(&self) -> Self {
        Self { base: self.base.clone(), last: Mutex::new(None) }
    }

    /// The headers of a request.
    pub(super) fn request(
        &self,
        request: &OutgoingRequest,
        session: Option<HeaderValue>,
    ) -> Result<HeaderMap, DeliveryError> {
        let kind = Kind {
            era: request.era,
            version: request.protocol_version.clone(),
            method: (request.era == Era::Modern).then(|| request.method.clone()),
            named: request.era == Era::Modern && request.mirrored.name.is_some(),
            session,
        };
        let mut headers = self.message(kind, request.body.len())?;
        if request.era == Era::Modern {
            mirror(&request.mirrored, &mut headers)?;
        }
        Ok(headers)
    }

    /// The headers of any POST.
    pub(super) fn message(&self, kind: Kind, length: usize) -> Result<HeaderMap, DeliveryError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut headers = match &*last {
            Some(ready) if ready.kind == kind => ready.headers.clone(),
            _ => {
                let headers = self.build(&kind)?;
                last.insert(Ready { kind, headers }).headers.clone()
            }
        };
        drop(last);
        headers.insert(CONTENT_LENGTH, length.into());
        Ok(headers)
    }

    fn build(&self, kind: &Kind) -> Result<HeaderMap, DeliveryError> {
        let mut headers = self.base.clone();
        // A place that each request overwrites; adding it to a clone would grow the map.
        headers.insert(CONTENT_LENGTH, 0.into());
        if let Some(version) = &kind.version {
            headers.insert(PROTOCOL_VERSION, value(version.as_str())?);
        }
        if let Some(method) = &kind.method {
            headers.insert(METHOD, value(method)?);
        }
        if kind.named {
            headers.insert(NAME, HeaderValue::from_static(""));
        }
        if let Some(session) = &kind.session {
            headers.insert(SESSION_ID, session.clone());
        }
        Ok(headers)
    }

    /// The headers of a request without a body, legacy only.
    pub(super) fn bodiless(
        &self,
        session: Option<HeaderValue>,
        last_event_id: Option<&[u8]>,
    ) -> Result<HeaderMap, DeliveryError> {
        let version = self.legacy_version();
        let mut headers =
            self.build(&Kind { era: Era::Legacy, version, method: None, named: false, session })?;
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, EVENTS);
        if let Some(id) = last_event_id {
            let id = HeaderValue::from_bytes(id).map_err(|e| unsendable(e.into()))?;
            headers.insert(LAST_EVENT_ID, id);
        }
        Ok(headers)
    }

    /// The legacy version that was negotiated, as the last message had it.
    fn legacy_version(&self) -> Option<ProtocolVersion> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = &last.as_ref()?.kind;
        kind.version.clone().filter(|_| kind.era == Era::Legacy)
    }
}

fn mirror(mirrored: &Mirrored, headers: &mut HeaderMap) -> Result<(), DeliveryError> {
    if let Some(name) = &mirrored.name {
        headers.insert(NAME, value(name)?);
    }
    for (name, text) in &mirrored.params {
        let name = HeaderName::try_from(name).map_err(|e| unsendable(e.into()))?;
        headers.insert(name, value(text)?);
    }
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue, DeliveryError> {
    HeaderValue::from_str(text).map_err(|e| unsendable(e.into()))
}

fn unsendable(error: crate::error::BoxError) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Broken(error))
}

/// Checks a header of the configuration.
pub(super) fn own(name: &str, text: &str) -> Result<(HeaderName, HeaderValue), ConnectError> {
    let refuse = |reason: &str| ConnectError::InvalidSetting {
        setting: format!("header {name}"),
        reason: reason.to_owned(),
    };
    let parsed = HeaderName::try_from(name).map_err(|_| refuse("it is not a header name"))?;
    let lower = parsed.as_str();
    if RESERVED.contains(&lower) || lower.starts_with("mcp-") || lower.starts_with("proxy-") {
        return Err(refuse("the transport sets it itself"));
    }
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| refuse("the value has characters that a header cannot carry"))?;
    value.set_sensitive(is_secret(lower));
    Ok((parsed, value))
}

/// Whether a header's value should stay out of compression tables and logs.
fn is_secret(name: &str) -> bool {
    ["auth", "cookie", "key", "token", "secret", "password", "session"]
        .iter()
        .any(|part| name.contains(part))
}
