//! A call as a builder: set what matters, then await it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};

use mcp_protocol::{
    capabilities::ClientCapabilities,
    header_values,
    input_required::InputRequest,
    jsonrpc::ErrorObject,
    logging::{LoggingLevel, LoggingMessageParams},
    method::Method,
    notifications::ProgressParams,
    raw::RawJson,
    version::Era,
};
use mcp_transport::{
    BoxFuture,
    transport::{Binding, Mirrored},
};

use crate::{
    Asker, CallError, CallErrorKind, Client, answering::Answering, input_required::Answers,
    link::CallOptions,
};

/// How a request gets to its result.
pub trait Flow<M: Method> {
    /// What awaiting the request gives.
    type Output;

    /// Sends the request, and whatever must follow it.
    fn run(request: Sending<'_, M>)
    -> impl Future<Output = Result<Self::Output, CallError>> + Send;
}

/// One request, one result, whatever it is.
#[derive(Debug)]
pub enum Once {}

/// The parts of a [`Request`] that a [`Flow`] works with.
#[derive(Debug)]
pub struct Sending<'a, M: Method> {
    pub(crate) client: &'a Client,
    pub(crate) params: M::Params,
    pub(crate) options: CallOptions,
    /// Arguments that are repeated as headers: `Mcp-Param-*` names, and the values.
    pub(crate) mirrored: Vec<(String, String)>,
    /// What goes with a request that is sent again.
    pub(crate) answers: Option<Answers>,
}

/// A call of the method `M`, sent when awaited.
#[must_use = "nothing is sent before the call is awaited"]
pub struct Request<'a, M: Method, F = Once> {
    sending: Sending<'a, M>,
    /// Why nothing can be sent.
    refused: Option<CallError>,
    flow: PhantomData<fn() -> F>,
}

impl<'a, M: Method, F> Request<'a, M, F> {
    pub(crate) fn new(client: &'a Client, params: M::Params) -> Self {
        let options = CallOptions { idle: client.0.call_timeout, ..CallOptions::default() };
        Self {
            sending: Sending { client, params, options, mirrored: Vec::new(), answers: None },
            refused: None,
            flow: PhantomData,
        }
    }

    /// The connection that it is sent on.
    pub fn client(&self) -> &'a Client {
        self.sending.client
    }

    pub(crate) fn params_mut(&mut self) -> &mut M::Params {
        &mut self.sending.params
    }

    pub(crate) fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.sending.options
    }

    /// The same request on another way to its result.
    pub(crate) fn with_flow<G>(self) -> Request<'a, M, G> {
        Request { sending: self.sending, refused: self.refused, flow: PhantomData }
    }

    pub(crate) fn into_sending(self) -> Result<Sending<'a, M>, CallError> {
        match self.refused {
            Some(error) => Err(error),
            None => Ok(self.sending),
        }
    }

    /// As [`on_question`](Self::on_question), or by the client's callbacks.
    pub(crate) fn answered_by(mut self, answering: Option<Arc<Answering>>) -> Self {
        self.sending.options.answering = answering;
        self
    }

    pub(crate) fn wants_progress(mut self) -> Self {
        self.sending.options.wants_progress = true;
        self
    }

    pub(crate) fn invalid(self, error: serde_json::Error) -> Self {
        let error = self.sending.error(CallErrorKind::InvalidParams(error));
        self.refuse(error)
    }

    pub(crate) fn refuse(mut self, error: CallError) -> Self {
        self.refused = Some(error);
        self
    }

    pub(crate) fn answers(mut self, answers: Answers) -> Self {
        self.sending.answers = Some(answers);
        self
    }

    /// Finds out what of the parameters is repeated as headers.
    pub(crate) fn with_mirrored(
        mut self,
        find: impl FnOnce(&Sending<'a, M>) -> Result<Vec<(String, String)>, CallError>,
    ) -> Self {
        match find(&self.sending) {
            Ok(mirrored) => self.sending.mirrored = mirrored,
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// The longest silence: a call that reports progress may take longer. `None` waits for ever.
    /// The default is the client's `call_timeout`. The clock stands still while a person answers
    /// a question of the server.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.sending.options.idle = limit.into();
        self
    }

    /// The longest time of each round, whatever progress is reported. No limit by default.
    pub fn max_time(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.sending.options.total = limit.into();
        self
    }

    /// Asks the server for progress and hears it, in order. Runs inside the call: it must not
    /// block.
    pub fn on_progress(mut self, handler: impl FnMut(ProgressParams) + Send + 'static) -> Self {
        self.sending.options.on_progress = Some(Box::new(handler));
        self
    }

    /// Hears the log messages that the server sends with this call, instead of the client's
    /// handler.
    pub fn on_log(
        mut self,
        handler: impl Fn(LoggingMessageParams, Asker) + Send + Sync + 'static,
    ) -> Self {
        self.sending.options.on_log = Some(Arc::new(handler));
        self
    }

    /// Asks for log messages of this level and above with this call. Modern servers send none
    /// unasked; for legacy servers `logging/setLevel` sets it for the whole connection.
    pub fn log_level(mut self, level: LoggingLevel) -> Self {
        self.sending.options.log_level = Some(level);
        self
    }

    /// Has this answer what the server asks during this call, in place of the client's callbacks,
    /// and declares just these capabilities with it. Answers go to the server as they are.
    ///
    /// A legacy server was told the capabilities of the client when it was connected to. What
    /// it asks outside the stream of a call, as over standard streams, is answered by the only call
    /// that has such a handler; while several have one it is refused.
    pub fn on_question<H, Fut>(mut self, capabilities: ClientCapabilities, handler: H) -> Self
    where
        H: Fn(InputRequest, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RawJson, ErrorObject>> + Send + 'static,
    {
        let handler: Box<_> = Box::new(move |question, asker| -> BoxFuture<'static, _> {
            Box::pin(handler(question, asker))
        });
        let answering = Answering { capabilities, answer: Some(handler) };
        self.sending.options.answering = Some(Arc::new(answering));
        self
    }

    /// Adds an entry to the request's `_meta`, such as a trace context.
    pub fn meta(mut self, key: &str, value: &RawJson) -> Self {
        let meta = &mut self.sending.options.meta;
        if !meta.is_empty() {
            meta.push(',');
        }
        meta.push_str(&serde_json::Value::from(key).to_string());
        meta.push(':');
        meta.push_str(value.as_str());
        self
    }
}

impl<M: Method> Sending<'_, M> {
    /// What modern Streamable HTTP repeats of the request as headers.
    pub(crate) fn mirrored(&self) -> Mirrored {
        let link = self.client.link();
        if link.era == Era::Legacy || link.binding != Binding::Http {
            return Mirrored::default();
        }
        let name =
            M::name_header(&self.params).map(|name| header_values::encode(name).into_owned());
        let mut params = self.mirrored.clone();
        params.extend(link.extensions.headers(M::NAME));
        Mirrored { name, params }
    }

    pub(crate) fn decode(&self, result: &[u8]) -> Result<M::Output, CallError> {
        M::decode(result).map_err(|error| self.error(CallErrorKind::Undecodable(error)))
    }

    pub(crate) fn error(&self, kind: CallErrorKind) -> CallError {
        self.client.link().error(kind, M::NAME)
    }
}

impl<M: Method> Flow<M> for Once
where
    M::Params: Send + Sync,
    M::Output: Send,
{
    type Output = M::Output;

    async fn run(mut request: Sending<'_, M>) -> Result<M::Output, CallError> {
        let link = Arc::clone(request.client.link());
        let mirrored = request.mirrored();
        let outcome = link.request(M::NAME, &request.params, mirrored, &mut request.options).await;
        let result = match outcome {
            Err(refusal) if link.is_spoken_after_all(&refusal) => {
                let mirrored = request.mirrored();
                let (params, options) = (&request.params, &mut request.options);
                Box::pin(link.request(M::NAME, params, mirrored, options)).await?
            }
            outcome => outcome?,
        };
        request.decode(&result)
    }
}

impl<'a, M, F> IntoFuture for Request<'a, M, F>
where
    M: Method + 'a,
    M::Params: Send,
    F: Flow<M> + 'a,
{
    type Output = Result<F::Output, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.into_sending() {
            Ok(sending) => Box::pin(F::run(sending)),
            Err(refused) => Box::pin(async move { Err(refused) }),
        }
    }
}

impl<M: Method, F> fmt::Debug for Request<'_, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &M::NAME)
            .field("options", &self.sending.options)
            .finish_non_exhaustive()
    }
}
