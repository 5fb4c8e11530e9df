//! One round at a time: the server's questions are handed out, to be answered later and perhaps by
//! another process.

#[cfg(feature = "schema")]
use std::any::Any;
use std::{fmt, sync::Arc};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    elicitation::{ElicitAction, ElicitParams, ElicitResult},
    input_required::{InputRequest, InputRequests, InputRequired, InputResponses, RequestState},
    method::Method,
    outcome::Outcome,
    raw::RawJson,
    resources,
    tools::{self, CallToolResult},
    version::ProtocolVersion,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Answers, Patience, Rounds, send, unexpected};
#[cfg(feature = "schema")]
use crate::schema::{check_arguments, check_promised, promised};
use crate::{
    CallError, CallErrorKind, CallTool, Client, InputError, Request, TaskHandle,
    answering::Answering,
    request::{Flow, Sending},
    tools::mirrored_arguments,
};

/// The flow of a request that ends where its server asks for something.
#[derive(Debug)]
pub enum Stepwise {}

/// What one step of a request came to.
#[derive(Debug)]
pub enum Step<M: Method, T> {
    /// The final result.
    Complete(T),
    /// The server asks for something first.
    InputRequired(PendingInput<M>),
    /// The call goes on as a task.
    Task(TaskHandle),
}

/// A request that waits for answers. Serializable: store it, and give the answers in another
/// process with [`Client::answer`]. It holds the request's parameters and a note of the server's, so
/// keep it as you keep those.
///
/// ```no_run
/// use mcp_client::{
///     Client, Step,
///     protocol::{elicitation::ElicitResult, input_required::InputResponses},
/// };
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let call = client.call_tool("deploy", serde_json::json!({"to": "production"}));
/// if let Step::InputRequired(pending) = call.stepwise().await? {
///     let mut answers = InputResponses::default();
///     for (key, question) in pending.questions().iter() {
///         println!("{}?", question.method());
///         answers.insert(key, serde_json::json!(ElicitResult::decline()));
///     }
///     client.answer(pending, answers).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(serialize = "M::Params: Serialize", deserialize = "M::Params: DeserializeOwned")
)]
pub struct PendingInput<M: Method> {
    endpoint: String,
    protocol_version: ProtocolVersion,
    method: String,
    params: M::Params,
    asked: InputRequired,
    /// What the result must satisfy, where the caller wants it checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_schema: Option<RawJson>,
}

impl<M: Method> PendingInput<M> {
    /// What the server asks, by the keys under which it expects the answers.
    pub fn questions(&self) -> &InputRequests {
        &self.asked.input_requests
    }

    /// Everything that the server asked, for handing it on as it is.
    pub fn into_asked(self) -> InputRequired {
        self.asked
    }

    /// The server: a command line or a URL, without secrets.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether the answers are complete, and fit what was asked.
    fn check(&self, responses: &InputResponses) -> Result<(), InputError> {
        for (key, question) in self.questions().iter() {
            let invalid =
                |reason: String| InputError::InvalidAnswer { key: key.to_owned(), reason };
            let Some(answer) = responses.get(key) else {
                return Err(invalid("is missing".to_owned()));
            };
            let InputRequest::Elicit(params) = question else { continue };
            let answer: ElicitResult = answer
                .parse()
                .map_err(|error| invalid(format!("is not one of an elicitation: {error}")))?;
            if let (ElicitParams::Form(form), ElicitAction::Accept) = (&**params, answer.action) {
                let content = answer.content.unwrap_or_default();
                form.requested_schema
                    .check(&content)
                    .map_err(|error| invalid(format!("does not fit the form: {error}")))?;
            }
        }
        Ok(())
    }
}

impl<M: Method> fmt::Debug for PendingInput<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingInput")
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("questions", &self.questions().len())
            .finish_non_exhaustive()
    }
}

impl<'a, M: Method> Request<'a, M, Rounds> {
    /// Hands out what the server asks, instead of having the client's callbacks answer it. The
    /// request then declares that all kinds of questions can be answered.
    pub fn stepwise(mut self) -> Request<'a, M, Stepwise> {
        self.options_mut().by_caller = true;
        self.with_flow()
    }
}

impl<'a> CallTool<'a> {
    /// Hands out what the server asks, instead of having the client's callbacks answer it; and
    /// the task that the call may become, instead of following it. The call then declares that all
    /// kinds of questions can be answered.
    pub fn stepwise(mut self) -> Request<'a, tools::CallTool, ToolSteps> {
        self.options_mut().by_caller = true;
        self.with_mirrored(mirrored_arguments).with_flow()
    }
}

impl<'a> crate::ReadResource<'a> {
    /// Hands out what the server asks, instead of having the client's callbacks answer it. The
    /// request then declares that all kinds of questions can be answered. Nothing is cached.
    pub fn stepwise(mut self) -> Request<'a, resources::ReadResource, Stepwise> {
        self.options_mut().by_caller = true;
        self.with_flow()
    }
}

impl<M: Method, F: Steps> Request<'_, M, F> {
    /// Declares that the caller answers just these kinds of questions, and takes part in just these
    /// extensions: a task may come of a tool call only where
    /// [`TASKS`](mcp_protocol::extensions::TASKS) is among them.
    pub fn declaring(mut self, capabilities: ClientCapabilities) -> Self {
        let answering = Answering { capabilities, answer: None };
        self.options_mut().answering = Some(Arc::new(answering));
        self
    }

    /// Goes on with a request whose earlier round ended with questions: sends the answers, and what
    /// the server gave to be given back, as they are. For those who pass rounds on;
    /// [`Client::answer`] checks the answers.
    pub fn resume(self, responses: InputResponses, state: Option<RequestState>) -> Self {
        self.answers(Answers { responses, state })
    }
}

/// The flows that go one round at a time.
pub trait Steps {}

impl Steps for Stepwise {}
impl Steps for ToolSteps {}

/// [`Stepwise`] for a tool, whose schemas may be checked.
#[derive(Debug)]
pub enum ToolSteps {}

impl Flow<tools::CallTool> for ToolSteps {
    type Output = Step<tools::CallTool, CallToolResult>;

    #[cfg_attr(not(feature = "schema"), expect(unused_mut, reason = "for the schema"))]
    async fn run(mut request: Sending<'_, tools::CallTool>) -> Result<Self::Output, CallError> {
        #[cfg(feature = "schema")]
        {
            let (choice, params) = (request.options.validate, &request.params);
            let compiled = check_arguments(request.client, choice, params).await?;
            request.options.promised = promised(compiled.as_deref());
        }
        Stepwise::run(request).await
    }
}

impl Client {
    /// Goes on with a request whose questions were handed out. The answers must be complete and
    /// fit what was asked, or nothing is sent.
    ///
    /// # Errors
    /// As the request. [`CallErrorKind::Input`] when the answers do not fit, or the questions are
    /// those of another server.
    pub fn answer<M: Method>(
        &self,
        pending: PendingInput<M>,
        responses: InputResponses,
    ) -> Request<'_, M, Stepwise> {
        let is_here = pending.endpoint == self.endpoint()
            && pending.protocol_version == self.server().protocol_version
            && pending.method == M::NAME;
        let checked = if is_here {
            pending.check(&responses)
        } else {
            Err(InputError::OtherServer {
                endpoint: pending.endpoint,
                version: pending.protocol_version,
            })
        };
        let mut request = Request::new(self, pending.params);
        request.options_mut().by_caller = true;
        #[cfg(feature = "schema")]
        {
            request.options_mut().promised = pending.output_schema;
        }
        match checked {
            Ok(()) => request.answers(Answers { responses, state: pending.asked.request_state }),
            Err(error) => request.refuse(self.link().error(CallErrorKind::Input(error), M::NAME)),
        }
    }
}

impl<M, T> Flow<M> for Stepwise
where
    M: Method<Output = Outcome<T>>,
    M::Params: Send + Sync,
    T: Send + 'static,
{
    type Output = Step<M, T>;

    async fn run(mut request: Sending<'_, M>) -> Result<Step<M, T>, CallError> {
        let client = request.client;
        let answers = request.answers.take();
        #[cfg(feature = "schema")]
        let output_schema = request.options.promised.take();
        #[cfg(not(feature = "schema"))]
        let output_schema = None;
        let mut patience = Patience::new(client.link());
        Ok(match send(&mut request, None, answers, &mut patience).await? {
            Outcome::Complete(result) => {
                #[cfg(feature = "schema")]
                if let Some(result) = <dyn Any>::downcast_ref::<CallToolResult>(&result) {
                    check_promised(client, output_schema.as_ref(), result).await?;
                }
                Step::Complete(result)
            }
            Outcome::InputRequired(asked) => Step::InputRequired(PendingInput {
                endpoint: client.endpoint().to_owned(),
                protocol_version: client.server().protocol_version.clone(),
                method: M::NAME.to_owned(),
                params: request.params,
                asked: *asked,
                output_schema,
            }),
            Outcome::Task(created) => {
                Step::Task(client.task_handle(&created).promising(output_schema))
            }
            _ => return Err(unexpected(client.link(), M::NAME, "unknown")),
        })
    }
}
