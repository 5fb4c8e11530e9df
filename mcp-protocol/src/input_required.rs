//! Input that a server needs before it can finish (2026-07-28): its questions come as a result, and
//! the request is sent again with the answers.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
    ser::SerializeMap,
};

use crate::{
    decode::{self, DecodeError},
    elicitation::{ElicitParams, ElicitResult},
    meta::Meta,
    object::{Object, without_repeats},
    outcome::ResultType,
    raw::RawJson,
    roots::{ListRootsParams, ListRootsResult},
    sampling::{CreateMessageParams, CreateMessageResult},
};

/// The server's questions, and what it wants back with the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputRequired {
    /// What to find out; with none, the request may be sent again at once.
    #[serde(default, skip_serializing_if = "InputRequests::is_empty")]
    pub input_requests: InputRequests,
    /// To be given back as it is, and only with this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<RequestState>,
    /// Always [`ResultType::InputRequired`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl InputRequired {
    /// Questions, as a server asks them.
    pub fn new(input_requests: InputRequests, request_state: Option<RequestState>) -> Self {
        let result_type = Some(ResultType::InputRequired);
        Self { input_requests, request_state, result_type, meta: None }
    }
}

/// A server's note to itself. It is kept as the JSON string that came, down to its escapes, and
/// says nothing to a client; it may hold secrets of the server, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RequestState(RawJson);

impl RequestState {
    /// A note of a server.
    pub fn new(text: &str) -> Self {
        Self(RawJson::from(serde_json::Value::from(text)))
    }

    /// The text, for the server that wrote it.
    ///
    /// # Errors
    /// The string holds escapes that are no text.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        self.0.parse()
    }

    /// The JSON string as it came.
    pub fn as_json(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestState({} bytes)", self.as_json().len())
    }
}

impl<'de> Deserialize<'de> for RequestState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        if raw.as_str().starts_with('"') {
            Ok(Self(raw))
        } else {
            Err(de::Error::custom("expected a string"))
        }
    }
}

/// Questions by the keys under which their answers are expected, in the server's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputRequests(Vec<(String, InputRequest)>);

impl InputRequests {
    /// The questions in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &InputRequest)> {
        self.0.iter().map(|(key, request)| (&**key, request))
    }

    /// One question.
    pub fn get(&self, key: &str) -> Option<&InputRequest> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, request)| request)
    }

    /// Adds a question, or replaces the one with the same key.
    pub fn insert(&mut self, key: impl Into<String>, request: InputRequest) {
        let key = key.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = request,
            None => self.0.push((key, request)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for InputRequests {
    type Item = (String, InputRequest);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for InputRequests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, request) in &self.0 {
            map.serialize_entry(key, request)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for InputRequests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = InputRequests;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of input requests")
            }
            fn visit_unit<E>(self) -> Result<InputRequests, E> {
                Ok(InputRequests::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InputRequests, A::Error> {
                let mut requests = Vec::new();
                while let Some(request) = map.next_entry()? {
                    requests.push(request);
                }
                Ok(InputRequests(without_repeats(requests)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// One question of a server to the client, whichever way it came: as a request of its own (up to
/// 2025-11-25) or within an [`InputRequired`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputRequest {
    /// `elicitation/create`: ask the person.
    Elicit(Box<ElicitParams>),
    /// `sampling/createMessage`: ask the model.
    CreateMessage(Box<CreateMessageParams>),
    /// `roots/list`: which folders?
    ListRoots(ListRootsParams),
    /// A question that this crate does not know.
    Unknown {
        /// The method.
        method: String,
        /// Its parameters, if it has any.
        params: Option<RawJson>,
    },
}

impl InputRequest {
    /// The method on the wire.
    pub fn method(&self) -> &str {
        match self {
            Self::Elicit(_) => "elicitation/create",
            Self::CreateMessage(_) => "sampling/createMessage",
            Self::ListRoots(_) => "roots/list",
            Self::Unknown { method, .. } => method,
        }
    }

    /// Reads a question from its method and the JSON text of its parameters.
    ///
    /// # Errors
    /// The parameters are not those of the method.
    pub fn decode(method: &str, params: &[u8]) -> Result<Self, DecodeError> {
        Ok(match method {
            "elicitation/create" => Self::Elicit(decode::strict(params)?),
            "sampling/createMessage" => Self::CreateMessage(decode::strict(params)?),
            "roots/list" => Self::ListRoots(decode::strict(params)?),
            _ => {
                let params = Some(decode::strict(params)?);
                Self::Unknown { method: method.to_owned(), params }
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WireRequest<'a, P> {
    method: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<P>,
}

impl Serialize for InputRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn wire<S: Serializer, P: Serialize>(
            method: &str,
            params: Option<P>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            WireRequest { method: method.into(), params }.serialize(serializer)
        }
        let method = self.method();
        match self {
            Self::Elicit(params) => wire(method, Some(params), serializer),
            Self::CreateMessage(params) => wire(method, Some(params), serializer),
            Self::ListRoots(params) => {
                wire(method, params.meta.is_some().then_some(params), serializer)
            }
            Self::Unknown { params, .. } => wire(method, params.as_ref(), serializer),
        }
    }
}

impl<'de> Deserialize<'de> for InputRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WireRequest { method, params } = WireRequest::<RawJson>::deserialize(deserializer)?;
        let known =
            matches!(&*method, "elicitation/create" | "sampling/createMessage" | "roots/list");
        if !known {
            return Ok(Self::Unknown { method: method.into_owned(), params });
        }
        let params = params.as_ref().map_or("{}", RawJson::as_str);
        Self::decode(&method, params.as_bytes())
            .map_err(|error| de::Error::custom(format!("`params` of `{method}`: {error}")))
    }
}

/// Answers by the keys of their questions: bare results, without an envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputResponses(Object);

impl InputResponses {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The answers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.0.iter()
    }

    /// One answer.
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.get(key)
    }

    /// Adds the result of a question, or replaces it.
    pub fn insert(&mut self, key: &str, result: impl Into<RawJson>) {
        self.0.insert(key, result);
    }

    /// Adds a typed result.
    ///
    /// # Errors
    /// The result cannot be JSON.
    pub fn answer(&mut self, key: &str, response: &InputResponse) -> Result<(), serde_json::Error> {
        let raw = match response {
            InputResponse::Elicit(result) => RawJson::from_value(result),
            InputResponse::CreateMessage(result) => RawJson::from_value(result),
            InputResponse::ListRoots(result) => RawJson::from_value(result),
        }?;
        self.0.insert(key, raw);
        Ok(())
    }
}

/// The answer to one [`InputRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputResponse {
    /// What the person said.
    Elicit(ElicitResult),
    /// What the model said.
    CreateMessage(CreateMessageResult),
    /// The folders.
    ListRoots(ListRootsResult),
}
