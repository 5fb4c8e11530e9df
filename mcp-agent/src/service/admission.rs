//! Which requests are worked on: whole ones of bounded size, and not more at a time than there is
//! room for. What there is no room for is refused at once, while refusing is still cheap.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    carrying::carrying,
    limits::{ServiceLimits, is_shallow},
    problem::{Problem, ProblemCode},
};

/// How soon those may come again that there is no room for.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The room there is.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ServiceLimits,
    requests: Semaphore,
    waiting: AtomicUsize,
    streams: Arc<Semaphore>,
}

impl Admission {
    pub(super) fn new(limits: &ServiceLimits) -> Self {
        Self {
            limits: limits.clone(),
            requests: Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            streams: Arc::new(Semaphore::new(limits.streams.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// A turn, at once or after a wait.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        if let Ok(permit) = self.requests.try_acquire() {
            return Ok(permit);
        }
        let full = || Problem::new(ProblemCode::Overloaded, "there is too much to do already");
        let Some(_place) = Place::take(&self.waiting, self.limits.waiting) else {
            return Err(full().again_in(TRY_AGAIN));
        };
        match timeout(self.limits.wait, self.requests.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(full().again_in(TRY_AGAIN)),
        }
    }

    /// Room for a client that listens, for as long as it does.
    fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let detail = "too many clients are listening already";
            Problem::new(ProblemCode::Overloaded, detail).again_in(TRY_AGAIN)
        })
    }

    /// Reads a body as a whole, so that nobody who sends slowly takes up a turn.
    async fn read(&self, request: Request) -> Result<Request, Problem> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, self.limits.body_bytes);
        let read = timeout(self.limits.body, body.collect()).await.map_err(|_| {
            let problem = Problem::new(ProblemCode::Timeout, "the body did not come in time");
            problem.with_status(StatusCode::REQUEST_TIMEOUT)
        })?;
        let bytes = match read {
            Ok(read) => read.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let detail = format!("a body has at most {} bytes", self.limits.body_bytes);
                let problem = Problem::new(ProblemCode::Usage, detail);
                return Err(problem.with_status(StatusCode::PAYLOAD_TOO_LARGE));
            }
            Err(_) => return Err(Problem::new(ProblemCode::Usage, "the body broke off")),
        };
        if !is_shallow(&bytes, self.limits.json_depth) {
            let detail = format!("JSON is nested at most {} deep", self.limits.json_depth);
            return Err(Problem::new(ProblemCode::Usage, detail));
        }
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, places: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < places).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets in what there is room for. A request has its turn until its answer begins; what streams
/// after that is bounded by the layers of calls, or listens.
pub(super) async fn admit<F>(
    admission: &Admission,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    // Those who watch over the process must hear from it most of all when it is overloaded.
    if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        return next(request).await;
    }
    let admitted = async {
        let request = admission.read(request).await?;
        if listens(request.method(), request.headers()) {
            let permit = admission.stream()?;
            let response = next(request).await;
            return Ok(response.map(|body| carrying(body, permit)));
        }
        let _turn = admission.turn().await?;
        Ok(next(request).await)
    };
    admitted.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

/// Whether a request asks for a stream that ends when the client goes.
fn listens(method: &Method, headers: &HeaderMap) -> bool {
    let is_get = *method == Method::GET;
    let accepts = headers.get_all(header::ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("text/event-stream"))
    });
    is_get && accepts
        || headers.get("mcp-method").is_some_and(|method| method == "subscriptions/listen")
}
