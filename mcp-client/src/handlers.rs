//! What the host does for servers: callbacks for their questions and messages.
//!
//! Registering a callback declares the capability. Without one the question is refused.

use std::{fmt, future::Future, sync::Arc};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    elicitation::{ElicitAction, ElicitParams, ElicitResult},
    error_code,
    input_required::InputRequest,
    jsonrpc::{ErrorObject, NotificationMessage},
    logging::LoggingMessageParams,
    object::Object,
    raw::RawJson,
    roots::{ListRootsResult, Root},
    sampling::{CreateMessageParams, CreateMessageResult},
};
use mcp_transport::BoxFuture;
use serde::Serialize;

use crate::Change;

/// Who asks. Shown to the person who answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asker {
    /// A command line or a URL, without secrets.
    pub endpoint: Arc<str>,
}

type Answerer<P, R> =
    Arc<dyn Fn(P, Asker) -> BoxFuture<'static, Result<R, ErrorObject>> + Send + Sync>;
pub(crate) type LogHandler = Arc<dyn Fn(LoggingMessageParams, Asker) + Send + Sync>;
type ChangeHandler = Arc<dyn Fn(Change, Asker) + Send + Sync>;
type NotificationHandler = Arc<dyn Fn(NotificationMessage, Asker) + Send + Sync>;

/// The callbacks of one client.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) elicitation: Option<Answerer<ElicitParams, ElicitResult>>,
    pub(crate) sampling: Option<Answerer<CreateMessageParams, CreateMessageResult>>,
    pub(crate) roots: Option<Arc<[Root]>>,
    pub(crate) log: Option<LogHandler>,
    pub(crate) notification: Option<NotificationHandler>,
    pub(crate) change: Option<ChangeHandler>,
}

impl Handlers {
    pub(crate) fn answerer<P, R, F, Fut>(handler: F) -> Answerer<P, R>
    where
        F: Fn(P, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ErrorObject>> + Send + 'static,
    {
        Arc::new(move |params, asker| Box::pin(handler(params, asker)))
    }

    /// The capabilities that these callbacks amount to.
    pub(crate) fn capabilities(&self) -> ClientCapabilities {
        ClientCapabilities::new(
            self.elicitation.is_some(),
            self.sampling.is_some(),
            self.roots.is_some(),
        )
    }

    /// Answers a question of the server, whichever way it came.
    pub(crate) async fn resolve(
        &self,
        question: InputRequest,
        endpoint: &Arc<str>,
    ) -> Result<RawJson, ErrorObject> {
        let asker = Asker { endpoint: Arc::clone(endpoint) };
        match (question, &self.elicitation, &self.sampling, &self.roots) {
            (InputRequest::Elicit(params), Some(ask), _, _) => {
                let defaults = match &*params {
                    ElicitParams::Form(form) => form.requested_schema.defaults(),
                    _ => Object::new(),
                };
                let mut result = ask(*params, asker).await?;
                fill_in(&mut result, &defaults);
                write(&result)
            }
            (InputRequest::CreateMessage(params), _, Some(ask), _) => {
                write(&ask(*params, asker).await?)
            }
            (InputRequest::ListRoots(_), _, _, Some(roots)) => {
                write(&ListRootsResult::new(roots.to_vec()))
            }
            (question, ..) => Err(ErrorObject::new(
                error_code::METHOD_NOT_FOUND,
                format!("this client does not offer `{}`", question.method()),
            )),
        }
    }

    /// Whether a question of this kind can be answered.
    pub(crate) fn can_resolve(&self, method: &str) -> bool {
        match method {
            "elicitation/create" => self.elicitation.is_some(),
            "sampling/createMessage" => self.sampling.is_some(),
            "roots/list" => self.roots.is_some(),
            _ => false,
        }
    }

    pub(crate) fn on_notification(&self, endpoint: &Arc<str>, notification: NotificationMessage) {
        if let Some(handler) = &self.notification {
            handler(notification, Asker { endpoint: Arc::clone(endpoint) });
        }
    }
}

/// Hands a log message to its handler, if there is one.
pub(crate) fn on_log(
    handler: Option<&LogHandler>,
    endpoint: &Arc<str>,
    notification: &NotificationMessage,
) {
    let Some(handler) = handler else { return };
    match serde_json::from_slice(&notification.params) {
        Ok(message) => handler(message, Asker { endpoint: Arc::clone(endpoint) }),
        Err(error) => tracing::warn!(%endpoint, %error, "unreadable log message"),
    }
}

/// An accepted form has the schema's defaults where the person left a field alone.
fn fill_in(result: &mut ElicitResult, defaults: &Object) {
    let Some(content) = result.content.as_mut().filter(|_| result.action == ElicitAction::Accept)
    else {
        return;
    };
    for (field, value) in defaults.iter() {
        if !content.contains_key(field) {
            content.insert(field, value.clone());
        }
    }
}

fn write<R: Serialize>(result: &R) -> Result<RawJson, ErrorObject> {
    RawJson::from_value(result)
        .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("elicitation", &self.elicitation.is_some())
            .field("sampling", &self.sampling.is_some())
            .field("roots", &self.roots)
            .field("log", &self.log.is_some())
            .field("notification", &self.notification.is_some())
            .field("change", &self.change.is_some())
            .finish()
    }
}
