//! What the host does for servers: callbacks for their questions and messages.
//!
//! Registering a callback declares the capability. Without one the question is refused.

mod destination;
mod registering;
mod roots;
mod sampling;

use std::{fmt, future::Future, sync::Arc};

use mcp_protocol::{
    capabilities::{
        ClientCapabilities, ElicitationCapability, Offered, RootsCapability, SamplingCapability,
    },
    elicitation::{ElicitAction, ElicitFormParams, ElicitParams, ElicitResult, ElicitUrlParams},
    error_code,
    input_required::InputRequest,
    jsonrpc::{ErrorObject, NotificationMessage},
    logging::LoggingMessageParams,
    object::Object,
    raw::RawJson,
    roots::ListRootsResult,
    sampling::{CreateMessageParams, CreateMessageResult},
};
use mcp_transport::BoxFuture;
use serde::Serialize;

pub(crate) use self::roots::RootList;
pub use self::{
    destination::{Destination, UnsafeDestination},
    roots::RootsError,
};
use crate::Change;

/// The code by which revisions up to 2025-11-25 say that a person refused.
const REFUSED_BY_PERSON: i64 = -1;

/// Who asks. Shown to the person who answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asker {
    /// A command line or a URL, without secrets.
    pub endpoint: Arc<str>,
}

pub(crate) type Answerer<P, R> =
    Arc<dyn Fn(P, Asker) -> BoxFuture<'static, Result<R, ErrorObject>> + Send + Sync>;
type ConsentHandler = Arc<dyn Fn(InputRequest, Asker) -> BoxFuture<'static, bool> + Send + Sync>;
pub(crate) type LogHandler = Arc<dyn Fn(LoggingMessageParams, Asker) + Send + Sync>;
type ChangeHandler = Arc<dyn Fn(Change, Asker) + Send + Sync>;
type NotificationHandler = Arc<dyn Fn(NotificationMessage, Asker) + Send + Sync>;

/// The callbacks of one client.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) form: Option<Answerer<ElicitFormParams, ElicitResult>>,
    pub(crate) url: Option<Answerer<ElicitUrlParams, ElicitResult>>,
    pub(crate) sampling: Option<Answerer<CreateMessageParams, CreateMessageResult>>,
    pub(crate) sampling_tools: bool,
    pub(crate) roots: Option<RootList>,
    /// Whether calls answer questions themselves.
    pub(crate) per_call: bool,
    pub(crate) consent: Option<ConsentHandler>,
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

    /// Asks before any question is answered.
    pub(crate) fn consent_by<F, Fut>(&mut self, handler: F)
    where
        F: Fn(InputRequest, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.consent = Some(Arc::new(move |question, asker| Box::pin(handler(question, asker))));
    }

    /// The capabilities that these callbacks amount to.
    pub(crate) fn capabilities(&self) -> ClientCapabilities {
        let offered = |is_offered: bool| is_offered.then(Offered::default);
        let (form, url) = (offered(self.form.is_some()), offered(self.url.is_some()));
        ClientCapabilities {
            elicitation: (form.is_some() || url.is_some())
                .then_some(ElicitationCapability { form, url }),
            sampling: self
                .sampling
                .is_some()
                .then(|| SamplingCapability { tools: offered(self.sampling_tools), context: None }),
            roots: self.roots.is_some().then(RootsCapability::default),
            ..ClientCapabilities::default()
        }
    }

    /// The same for `initialize`, where changes of roots can be announced.
    pub(crate) fn legacy_capabilities(&self) -> ClientCapabilities {
        let mut capabilities = if self.per_call { everything() } else { self.capabilities() };
        if let Some(roots) = &mut capabilities.roots {
            roots.list_changed = true;
        }
        capabilities
    }

    /// Answers a question of the server, whichever way it came.
    pub(crate) async fn resolve(
        &self,
        question: InputRequest,
        endpoint: &Arc<str>,
    ) -> Result<RawJson, ErrorObject> {
        let asker = Asker { endpoint: Arc::clone(endpoint) };
        self.check(&question)?;
        if let Some(consent) = &self.consent
            && !consent(question.clone(), asker.clone()).await
        {
            return match question {
                InputRequest::Elicit(_) => write(&ElicitResult::decline()),
                _ => Err(ErrorObject::new(REFUSED_BY_PERSON, "the user refused")),
            };
        }
        match question {
            InputRequest::Elicit(params) => match *params {
                ElicitParams::Form(form) => self.fill(form, asker).await,
                ElicitParams::Url(page) => write(&self.visit(page, asker).await?),
                _ => Err(unsupported("elicitation/create")),
            },
            InputRequest::CreateMessage(params) => match &self.sampling {
                Some(ask) => write(&ask(*params, asker).await?),
                None => Err(unsupported("sampling/createMessage")),
            },
            InputRequest::ListRoots(_) => match &self.roots {
                Some(roots) => write(&ListRootsResult::new(roots.current().to_vec())),
                None => Err(unsupported("roots/list")),
            },
            other => Err(unsupported(other.method())),
        }
    }

    async fn fill(&self, form: ElicitFormParams, asker: Asker) -> Result<RawJson, ErrorObject> {
        let Some(ask) = &self.form else { return Err(unsupported("elicitation/create")) };
        let schema = form.requested_schema.clone();
        let mut result = ask(form, asker).await?;
        if result.action == ElicitAction::Accept {
            let content = result.content.get_or_insert_default();
            fill_in(content, &schema.defaults());
            // What the server did not ask for must not leave this machine in its name.
            schema.check(content).map_err(|invalid| {
                let text = format!("the answer does not fit the form: {invalid}");
                ErrorObject::new(error_code::INTERNAL_ERROR, text)
            })?;
        } else {
            result.content = None;
        }
        write(&result)
    }

    /// Asks whether to visit a page. An address that is not on the web is declined unasked.
    pub(crate) async fn visit(
        &self,
        page: ElicitUrlParams,
        asker: Asker,
    ) -> Result<ElicitResult, ErrorObject> {
        let Some(ask) = &self.url else { return Err(unsupported("elicitation/create")) };
        if let Err(reason) = Destination::of(&page) {
            tracing::warn!(endpoint = %asker.endpoint, %reason, "declined");
            return Ok(ElicitResult::decline());
        }
        let mut result = ask(page, asker).await?;
        result.content = None;
        Ok(result)
    }

    /// Refuses a question of a kind that was not declared, or that breaks the protocol's rules.
    pub(crate) fn check(&self, question: &InputRequest) -> Result<(), ErrorObject> {
        let undeclared = |mode: &str| {
            let text = format!("this client does not declare elicitation by {mode}");
            Err(ErrorObject::new(error_code::INVALID_PARAMS, text))
        };
        match question {
            InputRequest::Elicit(_) if self.form.is_none() && self.url.is_none() => {
                Err(unsupported(question.method()))
            }
            InputRequest::Elicit(params) => match &**params {
                ElicitParams::Form(_) if self.form.is_none() => undeclared("form"),
                ElicitParams::Url(_) if self.url.is_none() => undeclared("URL"),
                _ => Ok(()),
            },
            InputRequest::CreateMessage(params) if self.sampling.is_some() => {
                sampling::check(params, self.sampling_tools)
            }
            InputRequest::ListRoots(_) if self.roots.is_some() => Ok(()),
            _ => Err(unsupported(question.method())),
        }
    }

    pub(crate) fn on_notification(&self, endpoint: &Arc<str>, notification: NotificationMessage) {
        if let Some(handler) = &self.notification {
            handler(notification, Asker { endpoint: Arc::clone(endpoint) });
        }
    }
}

/// All that a client can answer.
pub(crate) fn everything() -> ClientCapabilities {
    let mut capabilities = ClientCapabilities::new(true, true, true);
    let tools = Some(Offered::default());
    capabilities.sampling = Some(SamplingCapability { tools, context: None });
    capabilities
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
fn fill_in(content: &mut Object, defaults: &Object) {
    for (field, value) in defaults.iter() {
        if !content.contains_key(field) {
            content.insert(field, value.clone());
        }
    }
}

fn unsupported(method: &str) -> ErrorObject {
    let text = format!("this client does not offer `{method}`");
    ErrorObject::new(error_code::METHOD_NOT_FOUND, text)
}

fn write<R: Serialize>(result: &R) -> Result<RawJson, ErrorObject> {
    RawJson::from_value(result)
        .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("form", &self.form.is_some())
            .field("url", &self.url.is_some())
            .field("sampling", &self.sampling.is_some())
            .field("roots", &self.roots)
            .field("log", &self.log.is_some())
            .field("notification", &self.notification.is_some())
            .field("change", &self.change.is_some())
            .finish_non_exhaustive()
    }
}
