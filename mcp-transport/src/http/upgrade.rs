//! A connection for a protocol that begins with one HTTP request and then takes it over (RFC 9110
//! section 7.8).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use tokio::time::timeout;

use super::{answer, endpoint::Endpoint, proxy::Route, reach::Reach, stream::Stream, tls::Tls};
use crate::{
    DeliveryError,
    authorize::{Authorize, Challenge, Target, Verdict},
    error::{BoxError, DeliveryErrorKind},
};

/// How often a refused request is sent again with other credentials.
const MAX_REFUSALS: u32 = 5;

/// The way to one server.
#[derive(Debug)]
pub(crate) struct Upgrade {
    pub(super) endpoint: Arc<Endpoint>,
    /// The user's headers and credentials.
    pub(super) own: HeaderMap,
    pub(super) route: Route,
    pub(super) reach: Reach,
    /// Only for https.
    pub(super) tls: Option<Tls>,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
    pub(super) connect_timeout: Option<Duration>,
    /// The largest message that is accepted.
    pub(crate) max_message_bytes: usize,
}

/// A request that was refused, and how often.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: u32,
    /// The credentials of the last request.
    shown: Option<HeaderValue>,
}

impl Upgrade {
    /// Opens a connection to the server itself, within the limit of the configuration.
    pub(crate) async fn dial(&self) -> Result<Stream, DeliveryError> {
        let opening = self.open();
        let opened = match self.connect_timeout {
            None => opening.await,
            Some(after) => timeout(after, opening).await.map_err(|_| {
                DeliveryError::not_sent(DeliveryErrorKind::TimedOut { phase: "connection", after })
            })?,
        };
        opened.map_err(|source| {
            let address = self.endpoint.host_and_port();
            DeliveryError::not_sent(DeliveryErrorKind::Unreachable { address, source })
        })
    }

    async fn open(&self) -> Result<Stream, BoxError> {
        let stream = self.route.open_to_the_end(&self.endpoint, self.reach).await?;
        match &self.tls {
            Some(tls) => Ok(tls.wrap(&self.endpoint.host, stream).await?.0),
            None => Ok(stream),
        }
    }

    /// The request, with credentials; the headers of the upgrade are still to be added.
    pub(crate) async fn request(
        &self,
        refusals: &mut Refusals,
    ) -> Result<Request<()>, DeliveryError> {
        let mut request = Request::new(());
        *request.uri_mut() = self.endpoint.absolute_form.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.own);
        headers.insert(HOST, self.endpoint.authority.clone());
        if let Some(credentials) = &self.endpoint.credentials {
            headers.entry(AUTHORIZATION).or_insert_with(|| credentials.clone());
        }
        if let Some(authorize) = &self.authorize {
            authorize.authorize(self.target(), headers).await.map_err(unauthorized)?;
        }
        refusals.shown = headers.get(AUTHORIZATION).cloned();
        Ok(request)
    }

    /// Takes note of an answer that agrees.
    pub(crate) fn agreed<B>(&self, response: &Response<B>) {
        if let Some(authorize) = &self.authorize {
            authorize.answered(self.target(), response.headers());
        }
    }

    /// Takes note of an answer that does not agree. When better credentials could be had, the
    /// request is worth sending again.
    ///
    /// # Errors
    /// The answer, when it is final.
    pub(crate) async fn refused(
        &self,
        response: Response<Option<Vec<u8>>>,
        refusals: &mut Refusals,
    ) -> Result<(), DeliveryError> {
        let (head, body) = response.into_parts();
        if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && refusals.count < MAX_REFUSALS
            && let Some(authorize) = &self.authorize
        {
            refusals.count += 1;
            let challenge = Challenge {
                status: head.status,
                headers: &head.headers,
                refused: refusals.shown.as_ref(),
                attempt: refusals.count,
            };
            match authorize.challenged(self.target(), challenge).await.map_err(unauthorized)? {
                Verdict::Retry => return Ok(()),
                Verdict::GiveUp => {}
            }
        }
        let body = Bytes::from(body.unwrap_or_default());
        let failure = Box::new(answer::failure(head.status, &head.headers, body));
        Err(DeliveryError::not_sent(DeliveryErrorKind::Http(failure)))
    }

    fn target(&self) -> Target<'_> {
        Target { method: &Method::GET, url: &self.endpoint.absolute_form }
    }
}

fn unauthorized(error: BoxError) -> DeliveryError {
    DeliveryError::not_sent(DeliveryErrorKind::Authorization(error))
}
