//! What the `genai` crate says when there is no answer, in our words.

use ::genai::{Error, webc};

use crate::model::{
    ModelError, ModelErrorKind,
    codec::{invalid_request, undecodable},
    failure,
};

pub(super) fn read(error: Error) -> ModelError {
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
            if error.is_connect() =>
        {
            ModelError::new(ModelErrorKind::Unreachable { source: error.into() })
        }
        Error::WebStream { error, .. } => {
            ModelError::new(ModelErrorKind::Interrupted { source: Some(error) })
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
