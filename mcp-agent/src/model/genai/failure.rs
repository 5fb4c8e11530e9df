//! What the `genai` crate says when there is no answer, in our words.

use std::{error, io};

use ::genai::{Error, webc};

use crate::model::{
    ModelError, ModelErrorKind,
    codec::{invalid_request, undecodable},
    failure,
};

pub(super) fn read(error: Error) -> ModelError {
    // A refusal that comes in place of a stream stands inside the failure of the stream.
    let error = match error {
        Error::WebStream { error, .. } => match error.downcast::<Error>() {
            Ok(inner) => *inner,
            Err(other) => return broken(other),
        },
        other => other,
    };
    if let Some(status) = error.status() {
        let headers = error.headers().cloned().unwrap_or_default();
        return failure::decode(status, &headers, body(&error).as_bytes());
    }
    match error {
        // Its text may quote the whole request; the reason is what matters.
        Error::ChatResponseGeneration { cause, .. } => undecodable(&cause, b""),
        Error::ChatResponse { body, .. } => failure::in_answer(&body),
        Error::StreamParse { serde_error, .. } => undecodable(&serde_error.to_string(), b""),
        Error::WebModelCall { webc_error: webc::Error::Reqwest(error), .. }
        | Error::WebAdapterCall { webc_error: webc::Error::Reqwest(error), .. } => {
            broken(error.into())
        }
        error @ (Error::RequiresApiKey { .. }
        | Error::NoAuthResolver { .. }
        | Error::NoAuthData { .. }
        | Error::Resolver { .. }) => ModelError::new(ModelErrorKind::InvalidSetting {
            setting: "key",
            reason: error.to_string(),
        }),
        error @ (Error::ChatReqHasNoMessages { .. }
        | Error::LastChatMessageIsNotUser { .. }
        | Error::MessageRoleNotSupported { .. }
        | Error::MessageContentTypeNotSupported { .. }
        | Error::AdapterNotSupported { .. }) => invalid_request(error.to_string()),
        error => ModelError::new(ModelErrorKind::Interrupted { source: Some(error.into()) }),
    }
}

/// A connection that was not had, or did not hold. Names that cannot be resolved count as the
/// latter: what says so is not told apart.
fn broken(error: Box<dyn error::Error + Send + Sync>) -> ModelError {
    let mut cause: Option<&(dyn error::Error + 'static)> = Some(&*error);
    let mut not_had = false;
    while let Some(inner) = cause {
        not_had |= inner.downcast_ref::<io::Error>().is_some_and(|error| {
            use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        cause = inner.source();
    }
    ModelError::new(if not_had {
        ModelErrorKind::Unreachable { source: error }
    } else {
        ModelErrorKind::Interrupted { source: Some(error) }
    })
}

fn body(error: &Error) -> &str {
    match error {
        Error::HttpError { body, .. }
        | Error::WebModelCall {
            webc_error: webc::Error::ResponseFailedStatus { body, .. }, ..
        }
        | Error::WebAdapterCall {
            webc_error: webc::Error::ResponseFailedStatus { body, .. },
            ..
        } => body,
        _ => "",
    }
}
