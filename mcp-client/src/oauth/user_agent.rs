//! How a person is asked for consent: their browser, or a URL to carry over by hand.

use std::{fmt, future::Future, io, sync::Arc};

use mcp_transport::{BoxFuture, error::BoxError};
use url::Url;

use super::loopback::Loopback;

/// Takes a person to an authorization server and brings back the answer.
pub trait UserAgent: Send + Sync + fmt::Debug + 'static {
    /// Gets ready for an answer before anybody is asked. `known` are redirect URIs that the
    /// authorization server knows already; using one of them saves a registration.
    fn prepare<'a>(
        &'a self,
        known: &'a [String],
    ) -> BoxFuture<'a, Result<Box<dyn Visit>, BoxError>>;
}

/// One visit to an authorization server, ready to begin.
pub trait Visit: Send + fmt::Debug {
    /// Where the authorization server has to send its answer.
    fn redirect_uri(&self) -> &str;

    /// Takes the person to `url`, and gives back the whole URL that they were redirected to.
    ///
    /// # Errors
    /// Nobody could be asked. A refusal is no error; it is in the URL.
    ///
    /// # Cancel safety
    /// Dropping the future ends the visit; nothing listens any more.
    fn visit(self: Box<Self>, url: Url) -> BoxFuture<'static, Result<String, BoxError>>;
}

type Announce = Arc<dyn Fn(&Url) + Send + Sync>;
type Opener = Arc<dyn Fn(&Url) -> io::Result<()> + Send + Sync>;

/// The default browser of this machine. The answer comes to a listener on 127.0.0.1 that exists
/// only while it is waited for.
#[derive(Clone)]
pub struct Browser {
    redirect_uri: Result<Url, String>,
    announce: Option<Announce>,
    open: Opener,
}

impl Browser {
    /// The default browser; any free port.
    pub fn new() -> Self {
        Self {
            redirect_uri: parse("http://127.0.0.1:0/callback"),
            announce: None,
            open: Arc::new(|url| webbrowser::open(url.as_str())),
        }
    }

    /// Where the answer comes, for clients that are registered with one certain redirect URI:
    /// `http`, `127.0.0.1` or `localhost`, and a port; port 0 takes a free one.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uri = parse(uri);
        self
    }

    /// Hears the URL before the browser is opened, to show it. When this is set, a browser that
    /// cannot be opened is no error: the person may open the URL.
    #[must_use]
    pub fn announce(mut self, announce: impl Fn(&Url) + Send + Sync + 'static) -> Self {
        self.announce = Some(Arc::new(announce));
        self
    }

    /// Opens URLs in another way than the default browser. Runs where blocking is allowed.
    #[must_use]
    pub fn open_with(
        mut self,
        open: impl Fn(&Url) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.open = Arc::new(open);
        self
    }
}

fn parse(uri: &str) -> Result<Url, String> {
    let url = Url::parse(uri).map_err(|error| format!("{uri} is not a URL ({error})"))?;
    if url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost")) {
        return Ok(url);
    }
    Err(format!("{uri} does not lead to this machine: use http://127.0.0.1:PORT/PATH"))
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl UserAgent for Browser {
    fn prepare<'a>(
        &'a self,
        known: &'a [String],
    ) -> BoxFuture<'a, Result<Box<dyn Visit>, BoxError>> {
        Box::pin(async move {
            let wanted = self.redirect_uri.clone()?;
            let mut loopback = None;
            for uri in known.iter().filter_map(|uri| Url::parse(uri).ok()) {
                let mut portless = uri.clone();
                // Cannot fail for a URL with a host; if it did, the two would differ.
                let _ = portless.set_port(wanted.port());
                if wanted.port() == Some(0) && portless == wanted {
                    // Taken by another program in the meantime: then a new one is registered.
                    loopback = Loopback::bind(&uri).await.ok();
                }
            }
            let loopback = match loopback {
                Some(loopback) => loopback,
                None => Loopback::bind(&wanted).await?,
            };
            Ok(Box::new(BrowserVisit { loopback, browser: self.clone() }) as Box<dyn Visit>)
        })
    }
}

#[derive(Debug)]
struct BrowserVisit {
    loopback: Loopback,
    browser: Browser,
}

impl Visit for BrowserVisit {
    fn redirect_uri(&self) -> &str {
        self.loopback.redirect_uri().as_str()
    }

    fn visit(self: Box<Self>, url: Url) -> BoxFuture<'static, Result<String, BoxError>> {
        Box::pin(async move {
            let Browser { announce, open, .. } = self.browser;
            if let Some(announce) = &announce {
                announce(&url);
            }
            let state = url.query_pairs().find(|(key, _)| key == "state");
            let state = state.map(|(_, value)| value.into_owned()).unwrap_or_default();
            let opened = tokio::task::spawn_blocking(move || open(&url)).await?;
            match opened {
                Err(error) if announce.is_none() => return Err(error.into()),
                Err(error) => tracing::info!(%error, "cannot open a browser"),
                Ok(()) => {}
            }
            Ok(self.loopback.answer(&state).await?.into())
        })
    }
}

/// A person who opens the URL wherever they have a browser, and brings back the address that it
/// ended at.
#[derive(Clone)]
pub struct Pasted {
    redirect_uri: String,
    prompt: Prompt,
}

type Prompt = Arc<dyn Fn(Url) -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>;

impl Pasted {
    /// `prompt` shows the URL and gives back what the person pasted.
    ///
    /// Nothing listens at the redirect URI: the browser shows an error page, and its address is
    /// the answer.
    pub fn new<F, Fut>(prompt: F) -> Self
    where
        F: Fn(Url) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self {
            redirect_uri: "http://127.0.0.1:33418/callback".to_owned(),
            prompt: Arc::new(move |url| Box::pin(prompt(url))),
        }
    }

    /// Where the authorization server has to send the browser, for clients that are registered
    /// with one certain redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = uri.into();
        self
    }
}

impl fmt::Debug for Pasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pasted").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl UserAgent for Pasted {
    fn prepare<'a>(
        &'a self,
        _known: &'a [String],
    ) -> BoxFuture<'a, Result<Box<dyn Visit>, BoxError>> {
        let visit = Box::new(self.clone()) as Box<dyn Visit>;
        Box::pin(async { Ok(visit) })
    }
}

impl Visit for Pasted {
    fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    fn visit(self: Box<Self>, url: Url) -> BoxFuture<'static, Result<String, BoxError>> {
        (self.prompt)(url)
    }
}
