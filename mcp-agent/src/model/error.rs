//! Why a model did not answer.

use std::{error::Error, fmt, time::Duration};

/// Any error as a source.
type BoxError = Box<dyn Error + Send + Sync>;

/// A model did not answer, or not to the end.
///
/// Holds no secret: keys travel in headers, which are never kept here, and the address is shown
/// without credentials and query.
#[derive(Debug)]
pub struct ModelError {
    kind: Box<ModelErrorKind>,
    url: Option<String>,
}

/// What kept a model from answering.
#[derive(Debug)]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// No connection could be made; the model has seen nothing.
    Unreachable {
        /// Why.
        source: BoxError,
    },
    /// A limit of time ran out.
    TimedOut {
        /// What was waited for, such as `first byte`.
        phase: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The provider refused the request or failed at it.
    Status(StatusError),
    /// The answer broke off.
    Interrupted {
        /// Why, where it is known.
        source: Option<BoxError>,
    },
    /// The answer is not of the shape that this API promises.
    Undecodable {
        /// What is wrong.
        reason: String,
        /// Its first bytes.
        snippet: String,
    },
    /// The settings cannot work.
    InvalidSetting {
        /// Which one, such as `base URL`.
        setting: &'static str,
        /// What is wrong with it; never shows a secret.
        reason: String,
    },
    /// The request cannot be said in this API.
    InvalidRequest {
        /// What is wrong.
        reason: String,
    },
}

/// An error that the provider reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusError {
    /// The HTTP status; `None` when the error came inside an answer that had begun well.
    pub status: Option<u16>,
    /// The provider's words.
    pub message: String,
    /// The provider's name for the error, such as `invalid_request_error`.
    pub code: Option<String>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// The first bytes of the answer.
    pub body_snippet: String,
}

impl ModelError {
    /// An error, not yet tied to an address.
    pub fn new(kind: ModelErrorKind) -> Self {
        Self { kind: Box::new(kind), url: None }
    }

    /// Names the address that was asked. Credentials, query and fragment are left out.
    #[must_use]
    pub fn at(mut self, url: &url::Url) -> Self {
        self.url = Some(shown(url));
        self
    }

    /// What happened.
    pub fn kind(&self) -> &ModelErrorKind {
        &self.kind
    }

    /// The address that was asked, without secrets.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        self.status_error().and_then(|error| error.status)
    }

    /// How long the provider asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.status_error().and_then(|error| error.retry_after)
    }

    /// The first bytes of what the provider sent instead of an answer.
    pub fn body_snippet(&self) -> Option<&str> {
        match &*self.kind {
            ModelErrorKind::Status(error) => Some(&error.body_snippet),
            ModelErrorKind::Undecodable { snippet, .. } => Some(snippet),
            _ => None,
        }
    }

    /// Whether asking again may help. A question to a model changes nothing outside, so it can
    /// always be repeated; what it costs can double.
    pub fn is_retryable(&self) -> bool {
        match &*self.kind {
            ModelErrorKind::Unreachable { .. }
            | ModelErrorKind::TimedOut { .. }
            | ModelErrorKind::Interrupted { .. } => true,
            // Neither gets shorter, or is paid for, by waiting.
            ModelErrorKind::Status(error)
                if self.is_context_too_long()
                    || error.code.as_deref() == Some("insufficient_quota") =>
            {
                false
            }
            ModelErrorKind::Status(error) => match error.status {
                Some(status) => matches!(status, 408 | 409 | 425 | 429) || status >= 500,
                None => true,
            },
            ModelErrorKind::Undecodable { .. }
            | ModelErrorKind::InvalidSetting { .. }
            | ModelErrorKind::InvalidRequest { .. } => false,
        }
    }

    /// Whether the conversation is longer than the model can read.
    pub fn is_context_too_long(&self) -> bool {
        const SAID: [&str; 8] = [
            "exceed_context_size",
            "context_length_exceeded",
            "context length",
            "context size",
            "context window",
            "too many tokens",
            "prompt is too long",
            "input token count",
        ];
        self.status_error().is_some_and(|error| {
            error.status.is_none_or(|status| matches!(status, 400 | 413 | 422 | 500))
                && [Some(&error.message), error.code.as_ref()].into_iter().flatten().any(|text| {
                    let text = text.to_lowercase();
                    SAID.iter().any(|said| text.contains(said))
                })
        })
    }

    fn status_error(&self) -> Option<&StatusError> {
        match &*self.kind {
            ModelErrorKind::Status(error) => Some(error),
            _ => None,
        }
    }
}

fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for addresses that cannot have credentials at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.as_deref().unwrap_or("the model");
        match &*self.kind {
            ModelErrorKind::Unreachable { .. } => write!(f, "cannot reach {place}"),
            ModelErrorKind::TimedOut { phase, after } => {
                write!(f, "{place}: no {phase} within {after:?}")
            }
            ModelErrorKind::Status(error) => write!(f, "{place} answered {error}"),
            ModelErrorKind::Interrupted { .. } => write!(f, "the answer of {place} broke off"),
            ModelErrorKind::Undecodable { reason, snippet } => {
                write!(f, "{place} sent something that cannot be read: {reason}")?;
                if snippet.is_empty() { Ok(()) } else { write!(f, " in `{snippet}`") }
            }
            ModelErrorKind::InvalidSetting { setting, reason } => {
                write!(f, "the {setting} of the model cannot be used: {reason}")
            }
            ModelErrorKind::InvalidRequest { reason } => {
                write!(f, "{place} cannot be asked this: {reason}")
            }
        }
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "HTTP {status}")?,
            None => f.write_str("with an error")?,
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        match (self.message.as_str(), self.body_snippet.as_str()) {
            ("", "") => Ok(()),
            ("", snippet) => write!(f, ": {snippet}"),
            (message, _) => write!(f, ": {message}"),
        }
    }
}

impl Error for ModelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.kind {
            ModelErrorKind::Unreachable { source }
            | ModelErrorKind::Interrupted { source: Some(source) } => Some(&**source),
            _ => None,
        }
    }
}
