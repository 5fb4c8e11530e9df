//! One round of a request that a modern client makes in several.
//!
//! Answers may be secrets, and are for the server that asked and no other. So the state that a
//! client gives back names that server, around the server's own state. Who changes the name gains
//! nothing: only a server that the request is for anyway is called with it.

use mcp_protocol::{
    error_code,
    input_required::{InputRequired, InputResponses, RequestState},
    jsonrpc::ErrorObject,
};
use serde::{Deserialize, Serialize};

use super::rounds::internal;
use crate::caller::LoginRequired;

/// What a client sends with the second round of a request and later ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) responses: InputResponses,
    /// The server's own.
    pub(super) state: Option<RequestState>,
    /// Who asked; `None` in the first round.
    server: Option<String>,
    /// The login that the client was asked for here, by its id. Then nothing is the server's.
    login: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Bound {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RequestState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<String>,
}

impl Round {
    /// Without a state nobody is named; such answers are for the one server that has the name of
    /// the tool or the prompt, as the whole request is.
    pub(super) fn read(
        responses: InputResponses,
        state: Option<RequestState>,
    ) -> Result<Self, ErrorObject> {
        let Some(state) = state else { return Ok(Self { responses, ..Self::default() }) };
        let bound: Option<Bound> =
            state.text().ok().and_then(|text| serde_json::from_str(&text).ok());
        let Bound { server, state, login } = bound.ok_or_else(|| {
            let told = "this `requestState` is none that was given here";
            ErrorObject::new(error_code::INVALID_PARAMS, told)
        })?;
        Ok(Self { responses, state, server: Some(server), login })
    }

    /// The same for a request that several servers may be asked in turn: answers for which nobody
    /// is named are for none of them.
    pub(super) fn for_several(self) -> Self {
        if self.is_later() { self } else { Self::default() }
    }

    /// Whether this server may be called in this round.
    pub(super) fn is_for(&self, server: &str) -> bool {
        self.server.as_deref().is_none_or(|meant| meant == server)
    }

    /// The login that the client was asked for, if that is what this answers.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Whether questions were asked before.
    pub(super) fn is_later(&self) -> bool {
        self.server.is_some()
    }
}

/// Binds what a server asks to this server.
pub(super) fn bind(asked: &mut InputRequired, server: &str) -> Result<(), ErrorObject> {
    let state = asked.request_state.take();
    asked.request_state = Some(Bound { server: server.to_owned(), state, login: None }.write()?);
    Ok(())
}

/// A state that says which login was asked for.
pub(super) fn bind_login(login: &LoginRequired) -> Result<RequestState, ErrorObject> {
    let server = (**login.server()).to_owned();
    Bound { server, state: None, login: Some(login.id().to_owned()) }.write()
}

impl Bound {
    fn write(&self) -> Result<RequestState, ErrorObject> {
        let text = serde_json::to_string(self).map_err(|error| internal(error.to_string()))?;
        Ok(RequestState::new(&text))
    }
}

pub(super) fn of_another_request() -> ErrorObject {
    ErrorObject::new(error_code::INVALID_PARAMS, "this `requestState` belongs to another request")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_go_to_who_asked_and_with_its_own_state() {
        let own: RequestState = serde_json::from_str(r#""opaque \u00e9""#).unwrap();
        for state in [Some(own), None] {
            let mut asked = InputRequired { request_state: state.clone(), ..Default::default() };
            bind(&mut asked, "notes").unwrap();
            let mut answers = InputResponses::default();
            answers.insert("name", json!("Ada"));
            let round = Round::read(answers.clone(), asked.request_state).unwrap();
            let round = round.for_several();
            assert!(round.is_for("notes") && !round.is_for("mail") && round.is_later());
            assert_eq!((round.responses, round.state), (answers, state));
        }
    }

    #[test]
    fn answers_for_which_nobody_is_named_go_to_no_several_servers() {
        let mut answers = InputResponses::default();
        answers.insert("name", json!("Ada"));
        let round = Round::read(answers.clone(), None).unwrap();
        assert!(round.responses == answers && round.is_for("notes") && !round.is_later());
        assert!(round.for_several().responses.is_empty());
        for text in ["", "opaque", "{}", r#"{"server":"notes"}-tampered"#] {
            Round::read(answers.clone(), Some(RequestState::new(text))).unwrap_err();
        }
    }
}
