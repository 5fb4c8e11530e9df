//! A person whose browser comes back to a web program, such as a service with an address of its
//! own.

use std::{fmt, sync::Arc};

use mcp_transport::{BoxFuture, error::BoxError};
use tokio::sync::oneshot;
use url::Url;

use super::{UserAgent, Visit};

type Begin = Arc<dyn Fn(PendingVisit) + Send + Sync>;

/// A browser that a web program sends to the authorization server, and that comes back to the
/// program by its own address.
///
/// The program sends the person to [`PendingVisit::url`] and, when a request comes to the redirect
/// URI with the same [`state`](PendingVisit::state), gives its whole URL to
/// [`PendingVisit::answer`]. It must have made sure that this is the browser of the person who
/// wanted the login, by a cookie for example.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use mcp_client::oauth::{AuthorizationCode, OAuth, PendingVisit, Redirected};
///
/// let waiting = Arc::new(Mutex::new(Vec::<PendingVisit>::new()));
/// let visits = Arc::clone(&waiting);
/// let agent = Redirected::new("https://app.example/callback", move |visit| {
///     visits.lock().expect("no thread has panicked").push(visit);
/// });
/// let auth = OAuth::with(AuthorizationCode::new(agent));
/// ```
#[derive(Clone)]
pub struct Redirected {
    redirect_uri: String,
    begin: Begin,
}

impl Redirected {
    /// `begin` gets each visit when its URL is known. It must not block.
    pub fn new(
        redirect_uri: impl Into<String>,
        begin: impl Fn(PendingVisit) + Send + Sync + 'static,
    ) -> Self {
        Self { redirect_uri: redirect_uri.into(), begin: Arc::new(begin) }
    }
}

impl fmt::Debug for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirected")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl UserAgent for Redirected {
    fn prepare<'a>(
        &'a self,
        _known: &'a [String],
    ) -> BoxFuture<'a, Result<Box<dyn Visit>, BoxError>> {
        let visit = Box::new(self.clone()) as Box<dyn Visit>;
        Box::pin(async { Ok(visit) })
    }
}

impl Visit for Redirected {
    fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    fn visit(self: Box<Self>, url: Url) -> BoxFuture<'static, Result<String, BoxError>> {
        Box::pin(async move {
            let (answer, coming) = oneshot::channel();
            (self.begin)(PendingVisit { url, answer });
            // Nobody waits for this browser any more.
            coming.await.map_err(|_| "the login was given up".into())
        })
    }
}

/// A person who is to be sent to the authorization server. Dropping it gives the login up.
pub struct PendingVisit {
    url: Url,
    answer: oneshot::Sender<String>,
}

impl PendingVisit {
    /// Where the person has to go.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The `state` that comes back with the answer (RFC 6749 section 4.1.1). Nobody can guess it.
    pub fn state(&self) -> String {
        let state = self.url.query_pairs().find(|(key, _)| key == "state");
        state.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The whole URL that the person came back to. What is in it is checked by the login that waits
    /// for it.
    pub fn answer(self, url: String) {
        // Whoever has given up wants no answer.
        let _ = self.answer.send(url);
    }
}

impl fmt::Debug for PendingVisit {
    /// Without the URL: whoever knows its `state` can answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingVisit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn begun() -> (Redirected, Arc<Mutex<Option<PendingVisit>>>) {
        let place = Arc::<Mutex<Option<PendingVisit>>>::default();
        let begun = Arc::clone(&place);
        let agent = Redirected::new("https://app.example/callback", move |visit| {
            *begun.lock().unwrap() = Some(visit);
        });
        (agent, place)
    }

    #[tokio::test]
    async fn the_answer_is_what_the_program_gives() {
        let (agent, place) = begun();
        let visit = agent.prepare(&[]).await.unwrap();
        assert_eq!(visit.redirect_uri(), "https://app.example/callback");
        let url = Url::parse("https://id.example/authorize?state=s%2B1&client_id=c").unwrap();
        let answering = async {
            let visit = place.lock().unwrap().take().unwrap();
            assert_eq!((visit.state().as_str(), visit.url().path()), ("s+1", "/authorize"));
            assert!(!format!("{visit:?}").contains("s%2B1"));
            visit.answer("https://app.example/callback?code=c".to_owned());
        };
        let (answer, ()) = tokio::join!(visit.visit(url), answering);
        assert_eq!(answer.unwrap(), "https://app.example/callback?code=c");
    }

    #[tokio::test]
    async fn a_visit_that_is_dropped_is_given_up() {
        let (agent, place) = begun();
        let visit = agent.prepare(&[]).await.unwrap();
        let url = Url::parse("https://id.example/authorize?state=s").unwrap();
        let dropping = async { drop(place.lock().unwrap().take()) };
        let (answer, ()) = tokio::join!(visit.visit(url), dropping);
        assert!(answer.unwrap_err().to_string().contains("given up"));
    }
}
