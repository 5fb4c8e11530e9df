//! Alerts as HTTP requests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use mcp_transport::{
    DeliveryError,
    http::{HttpClient, PlainLimits},
};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};
use url::Url;

use super::{Alert, Backoff};
use crate::{Secret, random::fraction};

/// How many alerts may wait; further ones are lost, and counted.
const WAITING: usize = 256;
/// How often one alert is sent at most.
const ATTEMPTS: u32 = 6;
/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Sends each alert as a JSON object by POST, in order. What the receiver does not take (no
/// answer, 408, 429 or a status of 500 and above) is sent again, up to six times with a growing
/// wait; other answers than success are final.
///
/// ```no_run
/// use mcp_client::{AlertCondition, AlertRule, Hub, Webhook};
///
/// # fn example(hub: &Hub) -> Result<(), mcp_client::WebhookError> {
/// let webhook = Webhook::new("https://example.com/hooks/mcp", [])?;
/// let rules = vec![AlertRule::new("login", AlertCondition::NeedsAuth)];
/// let alerts = hub.alerts(rules, webhook.sink());
/// # Ok(())
/// # }
/// ```
pub struct Webhook {
    queue: mpsc::Sender<Bytes>,
    lost: Arc<AtomicU64>,
    task: AbortHandle,
}

/// The settings of a webhook cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The URL is none, or not one of HTTP.
    #[error("the URL of a webhook must begin with http:// or https://")]
    Url,
    /// A header cannot be sent.
    #[error("the header `{name}` of a webhook cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
}

impl Webhook {
    /// A webhook at a URL, with these headers.
    ///
    /// # Errors
    /// The URL or a header cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(
        url: &str,
        headers: impl IntoIterator<Item = (String, Secret)>,
    ) -> Result<Self, WebhookError> {
        let url = Url::parse(url).map_err(|_| WebhookError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Url);
        }
        let mut request =
            Request::post(url.as_str()).body(Bytes::new()).map_err(|_| WebhookError::Url)?;
        let map = request.headers_mut();
        map.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, secret) in headers {
            let pair = name.parse::<HeaderName>().ok().zip(secret.reveal().parse().ok());
            let Some((key, mut value)) = pair else { return Err(WebhookError::Header { name }) };
            HeaderValue::set_sensitive(&mut value, true);
            map.insert(key, value);
        }
        let (queue, waiting) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let work =
            deliver(request, waiting, Arc::clone(&lost), url.host_str().unwrap_or("").into());
        #[expect(clippy::disallowed_methods, reason = "aborted with the handle")]
        let task = tokio::spawn(work).abort_handle();
        Ok(Self { queue, lost, task })
    }

    /// Takes alerts for [`Hub::alerts`](super::Hub::alerts). Never blocks.
    pub fn sink(&self) -> impl Fn(&Alert) + Send + Sync + 'static {
        let (queue, lost) = (self.queue.clone(), Arc::clone(&self.lost));
        move |alert| {
            let body = serde_json::to_vec(alert).unwrap_or_default();
            if queue.try_send(body.into()).is_err() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many alerts could not be delivered.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

async fn deliver(
    request: Request<Bytes>,
    mut waiting: mpsc::Receiver<Bytes>,
    lost: Arc<AtomicU64>,
    host: String,
) {
    let client = HttpClient::new();
    let backoff = Backoff::default();
    while let Some(body) = waiting.recv().await {
        let mut attempt = 1;
        loop {
            let mut request = request.clone();
            *request.body_mut() = body.clone();
            let sent = timeout(LIMIT, client.send(request, PlainLimits::default())).await;
            let verdict = verdict(sent.ok().map(|sent| sent.map(|answer| answer.status)));
            match verdict {
                Ok(()) => break,
                Err((reason, true)) if attempt < ATTEMPTS => {
                    tracing::debug!(%host, %reason, attempt, "the webhook is tried again");
                    sleep(backoff.wait(attempt, fraction())).await;
                    attempt += 1;
                }
                Err((reason, _)) => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%host, %reason, attempt, "an alert could not be delivered");
                    break;
                }
            }
        }
    }
}

/// Whether an attempt did it, and if not, why and whether another may.
fn verdict(sent: Option<Result<StatusCode, DeliveryError>>) -> Result<(), (String, bool)> {
    match sent {
        Some(Ok(status)) if status.is_success() => Ok(()),
        Some(Ok(status)) => {
            let again = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            Err((format!("HTTP {status}"), again))
        }
        Some(Err(error)) => Err((super::slot::chain(&error), true)),
        None => Err(("no answer in time".to_owned(), true)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request after the other with these statuses, and gives their texts.
    async fn receive(listener: TcpListener, statuses: &[u16]) -> Vec<String> {
        let mut texts = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"}") {
                assert!(stream.read_buf(&mut text).await.unwrap() > 0);
            }
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            texts.push(String::from_utf8(text).unwrap());
        }
        texts
    }

    #[tokio::test]
    async fn sends_again_what_was_not_taken_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let secret = ("Authorization".to_owned(), Secret::new("Bearer hidden"));
        let webhook = Webhook::new(&url, [secret]).unwrap();
        let sink = webhook.sink();
        for server in ["one", "two", "three"] {
            sink(&Alert::new("down", server, true, "gone"));
        }
        let texts = receive(listener, &[503, 200, 400, 204]).await;
        let servers: Vec<_> = texts
            .iter()
            .map(|text| {
                assert!(text.starts_with("POST /hook "), "{text}");
                assert!(text.contains("authorization: Bearer hidden\r\n"), "{text}");
                let body = text.split_once("\r\n\r\n").unwrap().1;
                serde_json::from_str::<serde_json::Value>(body).unwrap()["server"].clone()
            })
            .collect();
        assert_eq!(servers, ["one", "one", "two", "three"]);
        assert_eq!(webhook.lost(), 1);
        assert!(!format!("{webhook:?}").contains("hidden"));
    }

    #[tokio::test]
    async fn settings_that_cannot_work_are_refused() {
        assert!(matches!(Webhook::new("ftp://host/", []), Err(WebhookError::Url)));
        let bad = ("a b".to_owned(), Secret::new("x"));
        assert!(matches!(Webhook::new("http://h/", [bad]), Err(WebhookError::Header { .. })));
    }
}
