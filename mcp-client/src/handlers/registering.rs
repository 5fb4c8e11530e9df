//! How a host registers what it does for servers.

use std::{future::Future, sync::Arc};

use mcp_protocol::{
    elicitation::{ElicitFormParams, ElicitParams, ElicitResult, ElicitUrlParams},
    input_required::InputRequest,
    jsonrpc::ErrorObject,
    roots::Root,
    sampling::{CreateMessageParams, CreateMessageResult},
};
use mcp_transport::Connect;

use super::{Asker, Handlers, RootList};
use crate::{ClientBuilder, ClientOptions};

impl ClientOptions {
    /// Declares to legacy servers, who hear of it only once, all that calls may answer by
    /// [`Request::on_question`](crate::Request::on_question). What nothing answers is refused.
    /// Modern servers hear with every request what can be answered during it.
    pub fn questions_per_call(&mut self) {
        self.handlers.per_call = true;
    }

    /// Answers `elicitation/create` in both modes, and so declares them.
    pub fn on_elicitation<F, Fut>(&mut self, handler: F)
    where
        F: Fn(ElicitParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        let both = Arc::new(handler);
        let for_forms = Arc::clone(&both);
        self.on_form(move |form, asker| for_forms(ElicitParams::Form(form), asker));
        self.on_url(move |page, asker| both(ElicitParams::Url(page), asker));
    }

    /// Lets a person fill forms, and so declares elicitation by form. Fields left alone get the
    /// form's defaults; an answer that does not fit the form is not sent. Say who asks, and let
    /// the person decline.
    pub fn on_form<F, Fut>(&mut self, handler: F)
    where
        F: Fn(ElicitFormParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        self.handlers.form = Some(Handlers::answerer(handler));
    }

    /// Lets a person visit pages, and so declares elicitation by URL. Show the whole address and
    /// open it only with their consent, in a browser of theirs; [`Destination`] reads it. Addresses
    /// that are not on the web are declined before anybody is asked.
    ///
    /// [`Destination`]: crate::Destination
    pub fn on_url<F, Fut>(&mut self, handler: F)
    where
        F: Fn(ElicitUrlParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        self.handlers.url = Some(Handlers::answerer(handler));
    }

    /// Answers `sampling/createMessage`, and so declares the capability, without tools.
    pub fn on_sampling<F, Fut>(&mut self, handler: F)
    where
        F: Fn(CreateMessageParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CreateMessageResult, ErrorObject>> + Send + 'static,
    {
        self.handlers.sampling = Some(Handlers::answerer(handler));
        self.handlers.sampling_tools = false;
    }

    /// As [`on_sampling`](Self::on_sampling), with tools that the model may use.
    pub fn on_sampling_with_tools<F, Fut>(&mut self, handler: F)
    where
        F: Fn(CreateMessageParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CreateMessageResult, ErrorObject>> + Send + 'static,
    {
        self.on_sampling(handler);
        self.handlers.sampling_tools = true;
    }

    /// Answers `roots/list` with these, and so declares the capability. They must be `file://`
    /// URIs.
    pub fn roots(&mut self, roots: impl IntoIterator<Item = Root>) {
        self.handlers.roots = Some(RootList::new(roots));
    }

    /// Asks before any question of a server reaches its handler. A refusal declines an elicitation
    /// and refuses everything else.
    pub fn on_consent<F, Fut>(&mut self, handler: F)
    where
        F: Fn(InputRequest, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.handlers.consent_by(handler);
    }
}

impl<R: Connect> ClientBuilder<R> {
    /// Answers `elicitation/create` in both modes, and so declares them; see [`ClientOptions::on_elicitation`].
    pub fn on_elicitation<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(ElicitParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        self.options.on_elicitation(handler);
        self
    }

    /// Lets a person fill forms, and so declares elicitation by form; see [`ClientOptions::on_form`].
    pub fn on_form<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(ElicitFormParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        self.options.on_form(handler);
        self
    }

    /// Lets a person visit pages, and so declares elicitation by URL; see [`ClientOptions::on_url`].
    pub fn on_url<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(ElicitUrlParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ElicitResult, ErrorObject>> + Send + 'static,
    {
        self.options.on_url(handler);
        self
    }

    /// Answers `sampling/createMessage`, and so declares the capability; see [`ClientOptions::on_sampling`].
    pub fn on_sampling<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(CreateMessageParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CreateMessageResult, ErrorObject>> + Send + 'static,
    {
        self.options.on_sampling(handler);
        self
    }

    /// Answers `sampling/createMessage` with tools, and so declares both; see [`ClientOptions::on_sampling_with_tools`].
    pub fn on_sampling_with_tools<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(CreateMessageParams, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CreateMessageResult, ErrorObject>> + Send + 'static,
    {
        self.options.on_sampling_with_tools(handler);
        self
    }

    /// Asks before any question of a server reaches its handler; see [`ClientOptions::on_consent`].
    pub fn on_consent<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(InputRequest, Asker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.options.on_consent(handler);
        self
    }

    /// Answers `roots/list` with these, and so declares the capability. They must be `file://`
    /// URIs; [`Client::set_roots`](crate::Client::set_roots) changes them.
    pub fn roots(mut self, roots: impl IntoIterator<Item = Root>) -> Self {
        self.options.roots(roots);
        self
    }
}
