//! What all exchanges of one transport share, and how a request gets its answer.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;

use super::{
    answer::Answer,
    endpoint::Endpoint,
    headers::{Headers, Kind},
    legacy_session::Session,
    pool::{Lane, Pool},
    round_trip::Manner,
};
use crate::{
    DeliveryError,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::{ClosedReason, DeliveryErrorKind},
};

/// How often a refused request is sent again with other credentials.
const MAX_REFUSALS: u32 = 5;
/// How often a redirect is followed.
const MAX_REDIRECTS: u32 = 5;

/// The parts of a transport that its exchanges use.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) headers: Headers,
    pub(super) pool: Arc<Pool>,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
    pub(super) session: Session,
    pub(super) limits: Limits,
    pub(super) closed: AtomicBool,
    pub(super) shown: Shown,
}

/// The credentials that were shown last, and how often they have changed.
#[derive(Default)]
pub(super) struct Shown {
    last: Mutex<Option<HeaderValue>>,
    changes: AtomicU64,
}

impl Shown {
    fn note(&self, shown: Option<&HeaderValue>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != shown {
            *last = shown.cloned();
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("changes", &self.changes()).finish_non_exhaustive()
    }
}

/// Limits of one transport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the end of a request to the head of its answer.
    pub(super) first_byte: Option<Duration>,
    /// Between two chunks of an answer.
    pub(super) idle: Option<Duration>,
    /// One message, decoded.
    pub(super) message_bytes: usize,
}

/// A request that can be made again, since its headers may have to be.
pub(super) struct Draft<'a, F> {
    pub(super) method: Method,
    /// Makes the headers, without credentials of [`Authorize`].
    pub(super) headers: F,
    pub(super) body: &'a Bytes,
    pub(super) lane: Lane,
    /// How long the server may take to begin its answer.
    pub(super) first_byte: Option<Duration>,
}

impl Shared {
    /// Refuses work after the end.
    pub(super) fn check_open(&self) -> Result<(), DeliveryError> {
        if self.closed.load(Ordering::Relaxed) {
            let reason = ClosedReason::default();
            return Err(DeliveryError::not_sent(DeliveryErrorKind::Closed(reason)));
        }
        Ok(())
    }

    /// Sends a request and gives the head of its answer, once credentials and redirects are
    /// through. `sent` is set from the moment when the server may see the request.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was in use.
    pub(super) async fn ask<F>(
        &self,
        draft: &Draft<'_, F>,
        sent: &mut bool,
    ) -> Result<Answer, DeliveryError>
    where
        F: Fn() -> Result<HeaderMap, DeliveryError>,
    {
        let mut elsewhere: Option<Endpoint> = None;
        let (mut refusals, mut redirects) = (0, 0);
        loop {
            let endpoint = elsewhere.as_ref().unwrap_or(&self.endpoint);
            let target = Target { method: &draft.method, url: &endpoint.absolute_form };
            let mut headers = (draft.headers)()?;
            let mut shown = None;
            if let Some(authorize) = &self.authorize {
                authorize.authorize(target, &mut headers).await.map_err(unauthorized)?;
                shown = headers.get(header::AUTHORIZATION).cloned();
                self.shown.note(shown.as_ref());
            }
            let answer = self.send(draft, endpoint, headers, sent).await?;
            match (answer.status, &self.authorize) {
                (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(authorize))
                    if refusals < MAX_REFUSALS =>
                {
                    refusals += 1;
                    *sent = false;
                    let challenge = Challenge {
                        status: answer.status,
                        headers: &answer.headers,
                        refused: shown.as_ref(),
                        attempt: refusals,
                    };
                    match authorize.challenged(target, challenge).await.map_err(unauthorized)? {
                        Verdict::Retry => _ = answer.into_failure().await,
                        Verdict::GiveUp => return Ok(answer),
                    }
                }
                (StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT, _)
                    if redirects < MAX_REDIRECTS =>
                {
                    redirects += 1;
                    let Some(location) = answer.headers.get(header::LOCATION) else {
                        return Ok(answer);
                    };
                    // Elsewhere neither credentials nor the body may go.
                    let Ok(next) = endpoint.redirected(location) else { return Ok(answer) };
                    *sent = false;
                    elsewhere = Some(next);
                    _ = answer.into_failure().await;
                }
                (_, authorize) => {
                    if let Some(authorize) = authorize {
                        authorize.answered(target, &answer.headers);
                    }
                    return Ok(answer);
                }
            }
        }
    }

    /// POSTs a message whose answer, if it has one, comes another way.
    pub(super) async fn tell(
        &self,
        kind: Kind,
        body: &Bytes,
        lane: Lane,
        sent: &mut bool,
    ) -> Result<(), DeliveryError> {
        let draft = Draft {
            method: Method::POST,
            headers: || self.headers.message(kind.clone(), body.len()),
            body,
            lane,
            first_byte: self.limits.first_byte,
        };
        let answer = self.ask(&draft, sent).await?;
        if answer.status.is_success() {
            answer.let_go().await;
            return Ok(());
        }
        Err(answer.into_failure().await.into())
    }

    /// The same for another address at the same scheme, host and port.
    pub(super) fn moved_to(&self, endpoint: Endpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            headers: self.headers.again(),
            pool: Arc::clone(&self.pool),
            authorize: self.authorize.clone(),
            session: Session::default(),
            limits: self.limits,
            closed: AtomicBool::new(false),
            shown: Shown::default(),
        }
    }

    async fn send<F>(
        &self,
        draft: &Draft<'_, F>,
        endpoint: &Endpoint,
        headers: HeaderMap,
        sent: &mut bool,
    ) -> Result<Answer, DeliveryError> {
        let mut request = Request::new(Full::new(draft.body.clone()));
        *request.method_mut() = draft.method.clone();
        *request.headers_mut() = headers;
        let manner =
            Manner { lane: draft.lane, first_byte: draft.first_byte, idle: self.limits.idle };
        self.pool.send(endpoint, request, manner, sent).await
    }
}

fn unauthorized(error: crate::error::BoxError) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Authorization(error))
}
