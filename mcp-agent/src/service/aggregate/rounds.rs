//! Requests during which a server may ask something: how its questions reach the client, whatever
//! lifecycle each of the two speaks.
//!
//! | client | server | a question |
//! |---|---|---|
//! | modern | modern | is handed on as it is, with the server's state in ours: nothing is kept here |
//! | modern | legacy | ends the round; the call waits here until the next one brings the answer |
//! | legacy | either | is asked on the stream of the client's request |

use std::sync::Arc;

use mcp_protocol::{
    elicitation::ElicitParams,
    error_code,
    input_required::{InputRequest, InputRequired},
    jsonrpc::ErrorObject,
    meta::{Meta, PROGRESS_TOKEN},
    outcome::ResultType,
    raw::RawJson,
    tools::CallToolResult,
    version::Era,
};
use mcp_transport::serve::{AskError, Peer};
use serde::Deserialize;

use super::{
    Aggregate,
    asked::Caller,
    finish::{self, write},
    login::{Consent, Terms},
    relay::{self, Heard},
    round::{Round, bind, of_another_request},
};
use crate::{
    caller::{Answer, Answers, Call, CallError, Dialog, Reply},
    service::problem,
};

impl Aggregate {
    /// Passes a call on, and on the way back what the server asks.
    pub(super) async fn relay(
        &self,
        mut call: Call,
        caller: &Caller<'_>,
        round: Round,
    ) -> Result<RawJson, ErrorObject> {
        if !round.is_for(&call.server) {
            return Err(of_another_request());
        }
        let round = match round.login() {
            None => round,
            Some(id) => {
                let terms = Terms::new(caller, call.operation.tool().is_some());
                let consent = Consent::read(&round.responses)?;
                if let Some(told) = self.wait_for_login(id, consent, &call.server, terms).await {
                    return caller.hears(told);
                }
                // The call begins anew.
                Round::default()
            }
        };
        call.affinity.clone_from(&caller.affinity);
        let is_legacy = || async {
            let client = self.server(&call.server)?.client().await.ok()?;
            Some(client.server().protocol_version.era() == Era::Legacy)
        };
        match caller.era {
            Era::Legacy => self.ask_directly(call, caller).await,
            // A server that is not there cannot ask, and the call itself says why.
            Era::Modern if is_legacy().await == Some(true) => {
                self.0.waiting.go_on(&self.0.way, call, caller, round).await
            }
            Era::Modern => self.hand_on(call, caller, round).await,
        }
    }

    /// One round, as it is.
    async fn hand_on(
        &self,
        call: Call,
        caller: &Caller<'_>,
        Round { responses, state, .. }: Round,
    ) -> Result<RawJson, ErrorObject> {
        let (ear, heard) = relay::ear();
        let answers = Answers::Rounds { responses, state };
        let call = ear.listen_to(call, caller).dialog(caller.dialog(answers));
        self.call_and_tell(call, caller, heard).await
    }

    async fn call_and_tell(
        &self,
        call: Call,
        caller: &Caller<'_>,
        heard: Heard,
    ) -> Result<RawJson, ErrorObject> {
        let (server, operation) = (Arc::clone(&call.server), Arc::clone(&call.operation));
        let calling = caller.scope.clone().within(self.0.way.call(call));
        let outcome = caller.hear_until(heard, calling).await;
        if let (Ok(Reply { answer: Answer::Task(begun), .. }), Some(tool)) =
            (&outcome, operation.tool())
        {
            return self.hand_out(begun, &server, tool, caller);
        }
        caller.hears(caller.told(outcome, &server, operation.tool().is_some()))
    }

    /// All rounds, with questions on the stream of the client's request.
    async fn ask_directly(&self, call: Call, caller: &Caller<'_>) -> Result<RawJson, ErrorObject> {
        let (ear, heard) = relay::ear();
        let peer = caller.peer.clone();
        let asking = Arc::new(move |question| -> crate::model::BoxFuture<'static, _> {
            Box::pin(ask_peer(peer.clone(), for_another_connection(question)))
        });
        let call = ear.listen_to(call, caller).dialog(caller.dialog(Answers::Each(asking)));
        self.call_and_tell(call, caller, heard).await
    }
}

/// What a client is told of a call.
pub(super) struct Told {
    outcome: Result<RawJson, ErrorObject>,
    /// Whether the result is a tool's `isError`.
    is_tool_error: bool,
}

impl Told {
    pub(super) fn error(error: ErrorObject) -> Self {
        Self::answer(Err(error))
    }

    pub(super) fn answer(outcome: Result<RawJson, ErrorObject>) -> Self {
        Self { outcome, is_tool_error: false }
    }

    /// A result with `isError`.
    pub(super) fn tool_error(outcome: Result<RawJson, ErrorObject>) -> Self {
        Self { outcome, is_tool_error: true }
    }
}

impl Caller<'_> {
    /// Notes how its call ended.
    pub(super) fn hears(&self, told: Told) -> Result<RawJson, ErrorObject> {
        if told.is_tool_error
            && let Some(measured) = self.measured
        {
            measured.is_tool_error();
        }
        told.outcome
    }

    /// What came of its call, as it is told.
    pub(super) fn told(
        &self,
        outcome: Result<Reply, CallError>,
        server: &str,
        is_tool: bool,
    ) -> Told {
        let outcome = outcome.map_err(|error| match error {
            CallError::LoginRequired(wish) => self.as_told(*wish).into(),
            other => other,
        });
        told(outcome, server, Terms::new(self, is_tool))
    }

    pub(super) fn dialog(&self, answers: Answers) -> Dialog {
        Dialog { capabilities: (*self.capabilities).clone(), answers }
    }
}

/// What came of a call, as its client is told. What keeps a server from answering is told as the
/// tool's error, for the model to read.
pub(super) fn told(outcome: Result<Reply, CallError>, server: &str, terms: Terms) -> Told {
    let Terms { era, is_tool, .. } = terms;
    if let Err(CallError::LoginRequired(login)) = &outcome {
        return terms.login(login);
    }
    let is_tool_error = match &outcome {
        Ok(reply) => reply.is_error(),
        Err(error) => is_tool && error.refusal().is_none(),
    };
    let outcome = match outcome {
        Ok(reply) => written(reply, server, era),
        Err(error) => match error.refusal() {
            Some(object) => Err(object.clone()),
            None if is_tool => finish!(CallToolResult::error(problem::chain(&error)), era),
            None => Err(internal(problem::chain(&error))),
        },
    };
    Told { outcome, is_tool_error }
}

fn written(reply: Reply, server: &str, era: Era) -> Result<RawJson, ErrorObject> {
    match reply.answer {
        Answer::Tool(result) => finish!(Arc::unwrap_or_clone(result), era),
        Answer::Prompt(result) => finish!(Arc::unwrap_or_clone(result), era),
        Answer::Resource(result) => finish!(Arc::unwrap_or_clone(result), era, uncached),
        Answer::Asked(asked) => write_asked(Arc::unwrap_or_clone(asked), server),
        Answer::Task(_) | Answer::Pong => Err(internal("the answer is not one to this request")),
    }
}

pub(super) fn internal(text: impl Into<String>) -> ErrorObject {
    ErrorObject::new(error_code::INTERNAL_ERROR, text)
}

/// The entries beside a question.
pub(super) fn meta_of(question: &mut InputRequest) -> Option<&mut Option<Meta>> {
    match question {
        InputRequest::Elicit(params) => match &mut **params {
            ElicitParams::Form(form) => Some(&mut form.meta),
            ElicitParams::Url(url) => Some(&mut url.meta),
            _ => None,
        },
        InputRequest::CreateMessage(params) => Some(&mut params.meta),
        InputRequest::ListRoots(params) => Some(&mut params.meta),
        _ => None,
    }
}

/// Takes out what a server says of its own request: the token belongs to its connection.
pub(super) fn for_another_connection(mut question: InputRequest) -> InputRequest {
    if let Some(meta) = meta_of(&mut question)
        && let Some(given) = meta.take()
    {
        let mut entries = given.entries();
        entries.remove(PROGRESS_TOKEN);
        *meta = (!entries.is_empty()).then(|| Meta::new(&entries));
    }
    question
}

pub(super) async fn ask_peer(peer: Peer, question: InputRequest) -> Result<RawJson, ErrorObject> {
    #[derive(Deserialize)]
    struct Wire {
        params: Option<RawJson>,
    }
    let wire: Wire = RawJson::from_value(&question)
        .and_then(|text| text.parse())
        .map_err(|error| internal(error.to_string()))?;
    let params = wire.params.unwrap_or_else(|| serde_json::json!({}).into());
    peer.ask(question.method(), &params).await.map_err(|error| match error {
        AskError::Refused(object) => object,
        error => internal(error.to_string()),
    })
}

/// What a server asks, for its client to answer in the next round.
pub(super) fn write_asked(mut asked: InputRequired, server: &str) -> Result<RawJson, ErrorObject> {
    bind(&mut asked, server)?;
    asked.result_type = Some(ResultType::InputRequired);
    asked.meta = finish::meta_of(asked.meta.take(), Era::Modern);
    write(&asked)
}
