//! A login that a server wants first, told in the way that the client knows.
//!
//! | client | is told by |
//! |---|---|
//! | legacy, can have pages visited | error -32042, and a notification when the login is made |
//! | modern, can have pages visited | a round that asks for the visit; the next one waits for the login |
//! | any other | the tool's error, or an error of JSON-RPC, in words for a person |

use std::time::Duration;

use mcp_protocol::{
    capabilities::{ClientCapabilities, ElicitationCapability},
    elicitation::{ElicitAction, ElicitParams, ElicitResult, ElicitUrlParams},
    error_code::{self, UrlElicitationRequired},
    input_required::{InputRequest, InputRequests, InputRequired, InputResponses},
    jsonrpc::ErrorObject,
    outcome::ResultType,
    raw::RawJson,
    tools::CallToolResult,
    version::Era,
};
use serde_json::json;
use tokio::time::timeout;

use super::{
    Aggregate,
    asked::Caller,
    finish::{self, write},
    round::bind_login,
    rounds::{Told, internal},
};
use crate::caller::LoginRequired;

/// How long a request waits for the login that it needs: less than clients commonly wait for an
/// answer. Then it asks once more.
const PATIENCE: Duration = Duration::from_secs(45);

/// The key of the question.
const QUESTION: &str = "login";

/// In which words a client is told how its call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) era: Era,
    /// Whether a tool was called.
    pub(super) is_tool: bool,
    /// Whether the client can have its person visit a page.
    visits: bool,
}

impl Terms {
    pub(super) fn new(caller: &Caller<'_>, is_tool: bool) -> Self {
        Self { era: caller.era, is_tool, visits: has_visits(&caller.capabilities) }
    }

    /// What is told where a login is needed.
    pub(super) fn login(self, login: &LoginRequired) -> Told {
        match self.era {
            Era::Legacy if self.visits => Told::error(visit_first(login)),
            Era::Modern if self.visits => Told::answer(ask(login)),
            era if self.is_tool => {
                Told::tool_error(finish!(CallToolResult::error(login.to_string()), era))
            }
            _ => Told::error(ErrorObject {
                data: Some(RawJson::from(json!({
                    "code": "login_required", "server": &**login.server(), "login_url": login.url(),
                }))),
                ..ErrorObject::new(error_code::INVALID_REQUEST, login.to_string())
            }),
        }
    }

    /// What is told where the person does not want to.
    pub(super) fn declined(self, server: &str) -> Told {
        let text = format!(
            "server `{server}` is used by everyone with an account of their own, and the login was \
             declined; ask again to be asked again"
        );
        if self.is_tool {
            Told::tool_error(finish!(CallToolResult::error(text), self.era))
        } else {
            Told::error(ErrorObject::new(error_code::INVALID_REQUEST, text))
        }
    }
}

impl Aggregate {
    /// Waits for the login that an earlier round has asked for. What to tell in place of the call,
    /// if it is not made.
    pub(super) async fn wait_for_login(
        &self,
        id: &str,
        consent: Consent,
        server: &str,
        terms: Terms,
    ) -> Option<Told> {
        if consent == Consent::Refused {
            return Some(terms.declined(server));
        }
        let logins = &self.0.logins;
        let principal = &self.0.view.principal;
        // One that is not known, or not good any more, is for the call to see.
        let wish = logins.again(id, principal)?;
        let is_made = consent == Consent::Given && {
            // Beyond what one may have waiting it is only looked.
            let place = logins.place_to_wait(principal.id());
            let patience = if place.is_some() { PATIENCE } else { Duration::ZERO };
            timeout(patience, logins.wait_for_call(id)).await.is_ok()
        };
        (!is_made).then(|| terms.login(&wish))
    }
}

impl Caller<'_> {
    /// A wish as a client that was told of it before knows it. It hears when that is granted.
    pub(super) fn as_told(&self, wish: LoginRequired) -> LoginRequired {
        match self.conversation {
            Some(conversation) if has_visits(&self.capabilities) => {
                conversation.tell_of_login(wish)
            }
            _ => wish,
        }
    }
}

fn has_visits(capabilities: &ClientCapabilities) -> bool {
    capabilities.elicitation.as_ref().is_some_and(ElicitationCapability::offers_url)
}

/// Revision 2025-11-25.
fn visit_first(login: &LoginRequired) -> ErrorObject {
    let mut page = ElicitUrlParams::new(login.message(), login.url());
    page.elicitation_id = Some(login.id().to_owned());
    let data = RawJson::from_value(&UrlElicitationRequired { elicitations: vec![page] });
    match data {
        Ok(data) => ErrorObject {
            data: Some(data),
            ..ErrorObject::new(error_code::URL_ELICITATION_REQUIRED, login.message())
        },
        Err(error) => internal(error.to_string()),
    }
}

/// A round of revision 2026-07-28. Nothing is kept here: the id of the login says all, and is sealed
/// by whoever made it.
fn ask(login: &LoginRequired) -> Result<RawJson, ErrorObject> {
    let page = ElicitUrlParams::new(login.message(), login.url());
    let mut questions = InputRequests::default();
    questions.insert(QUESTION, InputRequest::Elicit(Box::new(ElicitParams::Url(page))));
    let mut asked = InputRequired::new(questions, Some(bind_login(login)?));
    asked.result_type = Some(ResultType::InputRequired);
    asked.meta = Some(finish::who());
    write(&asked)
}

/// What a person said to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    Given,
    Refused,
    /// There is no answer.
    Open,
}

impl Consent {
    pub(super) fn read(responses: &InputResponses) -> Result<Self, ErrorObject> {
        let Some(answer) = responses.get(QUESTION) else { return Ok(Self::Open) };
        let answer: ElicitResult = answer.parse().map_err(|error| {
            let told = format!("the answer to `{QUESTION}` is none to an elicitation: {error}");
            ErrorObject::new(error_code::INVALID_PARAMS, told)
        })?;
        Ok(if answer.action == ElicitAction::Accept { Self::Given } else { Self::Refused })
    }
}
