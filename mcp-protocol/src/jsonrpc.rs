//! JSON-RPC 2.0 messages: parsed once by their outline, values left as text.

use std::{fmt, ops::Range};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    decode::snippet,
    raw::RawJson,
    scan::{self, Malformed},
};

/// Correlates a request with its response. The specification allows numbers and strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestId {
    /// An integer, as this crate's clients use.
    Number(i64),
    /// A string, as some peers use.
    String(Box<str>),
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::String(text) => text.fmt(f),
        }
    }
}

impl From<i64> for RequestId {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for RequestId {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::String(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RequestId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a string")
            }
            fn visit_i64<E>(self, number: i64) -> Result<RequestId, E> {
                Ok(RequestId::Number(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RequestId, E> {
                i64::try_from(number)
                    .map(RequestId::Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<RequestId, E> {
                // Peers whose only number is a float write `1.0`.
                #[expect(clippy::cast_possible_truncation, reason = "checked right after")]
                let whole = number as i64;
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::float_cmp,
                    reason = "only an exact value counts"
                )]
                if whole as f64 == number {
                    Ok(RequestId::Number(whole))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
            fn visit_str<E>(self, text: &str) -> Result<RequestId, E> {
                Ok(RequestId::String(text.into()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The `error` of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct ErrorObject {
    /// What kind of error; the known ones are in [`error_code`](crate::error_code).
    pub code: i64,
    /// The peer's words.
    #[serde(default)]
    pub message: String,
    /// Details, by code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
}

impl ErrorObject {
    /// An error without details.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// One message, its values still text that shares the buffer it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The peer asks for something and waits for an answer.
    Request(Request),
    /// The peer tells something.
    Notification(NotificationMessage),
    /// The peer answers.
    Response(Response),
}

/// A request as it came from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// To be repeated in the response.
    pub id: RequestId,
    /// Such as `sampling/createMessage`.
    pub method: Box<str>,
    /// The JSON text of `params`; `{}` when absent.
    pub params: Bytes,
}

/// A notification as it came from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationMessage {
    /// Such as `notifications/progress`.
    pub method: Box<str>,
    /// The JSON text of `params`; `{}` when absent.
    pub params: Bytes,
}

/// A response as it came from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The request's id; `None` when the peer could not read it and wrote `null` or nothing.
    pub id: Option<RequestId>,
    /// The JSON text of `result`, or the error.
    pub outcome: Result<Bytes, ErrorObject>,
}

/// The text is not a JSON-RPC message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not a JSON object at all.
    #[error("not JSON: expected {expected} at byte {at} of `{snippet}`")]
    NotJson {
        /// Offset in bytes.
        at: usize,
        /// What should have been there.
        expected: &'static str,
        /// The start of the text.
        snippet: String,
    },
    /// A JSON object, but neither request, notification nor response.
    #[error("not a JSON-RPC message: {reason} in `{snippet}`")]
    NotJsonRpc {
        /// What is missing or wrong.
        reason: String,
        /// The start of the text.
        snippet: String,
    },
}

impl Message {
    /// Parses one message. Values keep a share of `text`; nothing is copied.
    ///
    /// # Errors
    /// The text is not one JSON object, or not of a JSON-RPC shape. Values inside `params` and
    /// `result` are not checked here but where they are read.
    pub fn parse(text: &Bytes) -> Result<Self, ParseError> {
        let found = scan::members(text).map_err(|malformed| not_json(text, malformed))?;
        let wrong = |reason: String| ParseError::NotJsonRpc { reason, snippet: snippet(text) };
        let id = match &found.id {
            None => None,
            Some(range) => read_id(&text[range.clone()]).map_err(wrong)?,
        };
        if let Some(range) = found.method {
            let method: Box<str> = serde_json::from_slice(&text[range])
                .map_err(|e| wrong(format!("`method` is not a string ({e})")))?;
            let params = found.params.map_or(Bytes::from_static(b"{}"), |r| text.slice(r));
            return Ok(match id {
                Some(id) => Self::Request(Request { id, method, params }),
                None => Self::Notification(NotificationMessage { method, params }),
            });
        }
        // Some peers send `"error": null` beside a result.
        let error = found.error.filter(|range| &text[range.clone()] != b"null");
        let outcome = match (error, found.result) {
            (Some(range), _) => Err(serde_json::from_slice(&text[range])
                .map_err(|e| wrong(format!("`error` is malformed ({e})")))?),
            (None, Some(range)) => Ok(text.slice(range)),
            (None, None) => {
                return Err(wrong("no `method`, `result` or `error`".to_owned()));
            }
        };
        Ok(Self::Response(Response { id, outcome }))
    }

    /// Parses one message or, as revision 2025-03-26 allows, an array of them.
    ///
    /// # Errors
    /// As [`Message::parse`]; in a batch the first bad message fails the whole.
    pub fn parse_batch(text: &Bytes) -> Result<Vec<Self>, ParseError> {
        if text.trim_ascii_start().first() != Some(&b'[') {
            return Self::parse(text).map(|message| vec![message]);
        }
        scan::elements(text)
            .map_err(|malformed| not_json(text, malformed))?
            .into_iter()
            .map(|range| Self::parse(&text.slice(range)))
            .collect()
    }
}

#[cold]
fn not_json(text: &[u8], malformed: Malformed) -> ParseError {
    let Malformed { at, expected } = malformed;
    ParseError::NotJson { at, expected, snippet: snippet(text) }
}

fn read_id(text: &[u8]) -> Result<Option<RequestId>, String> {
    // The common case, without a deserializer: a short run of digits.
    if text.len() <= 18 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        let number = text.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        return Ok(Some(RequestId::Number(number)));
    }
    serde_json::from_slice(text).map_err(|e| format!("`id` is malformed ({e})"))
}

/// Writes a request. `meta` is the text of the JSON object that goes into `params._meta`.
///
/// The caller's own `_meta` entries win over those of `meta`.
///
/// # Errors
/// The parameters cannot be JSON, or are not an object although `meta` needs one.
pub fn encode_request<P: Serialize + ?Sized>(
    id: &RequestId,
    method: &str,
    params: &P,
    meta: Option<&str>,
) -> Result<Bytes, serde_json::Error> {
    encode(Some(id), method, params, meta)
}

/// Writes a notification.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_notification<P: Serialize + ?Sized>(
    method: &str,
    params: &P,
    meta: Option<&str>,
) -> Result<Bytes, serde_json::Error> {
    encode(None, method, params, meta)
}

/// Room for a request of the usual size, beside its `_meta`.
const SMALL_BYTES: usize = 256;

fn encode<P: Serialize + ?Sized>(
    id: Option<&RequestId>,
    method: &str,
    params: &P,
    meta: Option<&str>,
) -> Result<Bytes, serde_json::Error> {
    let mut text = Vec::with_capacity(SMALL_BYTES + meta.map_or(0, str::len));
    text.extend_from_slice(br#"{"jsonrpc":"2.0","#);
    if let Some(id) = id {
        text.extend_from_slice(br#""id":"#);
        serde_json::to_writer(&mut text, id)?;
        text.push(b',');
    }
    text.extend_from_slice(br#""method":"#);
    serde_json::to_writer(&mut text, method)?;
    let before_params = text.len();
    text.extend_from_slice(br#","params":"#);
    let start = text.len();
    serde_json::to_writer(&mut text, params)?;
    if &text[start..] == b"null" {
        text.truncate(start);
        text.extend_from_slice(b"{}");
    }
    if let Some(meta) = meta {
        insert_meta(&mut text, start, meta)?;
    } else if &text[start..] == b"{}" {
        text.truncate(before_params);
    }
    text.push(b'}');
    Ok(text.into())
}

/// Puts `_meta` into the object that starts at `start` and ends with the text.
fn insert_meta(text: &mut Vec<u8>, start: usize, meta: &str) -> Result<(), serde_json::Error> {
    let params = &text[start..];
    if !params.starts_with(b"{") {
        return Err(de::Error::custom("parameters that carry `_meta` must be a JSON object"));
    }
    if let Some(own) = own_meta(params)? {
        let own = start + own.start..start + own.end;
        let mut merged: serde_json::Map<String, serde_json::Value> = serde_json::from_str(meta)?;
        merged.extend(serde_json::from_slice::<serde_json::Map<_, _>>(&text[own.clone()])?);
        text.splice(own, serde_json::to_vec(&merged)?);
    } else {
        let empty = params == b"{}";
        text.pop();
        text.extend_from_slice(if empty { br#""_meta":"# } else { br#","_meta":"# });
        text.extend_from_slice(meta.as_bytes());
        text.push(b'}');
    }
    Ok(())
}

/// Where the `_meta` of some parameters is, if they have one.
fn own_meta(params: &[u8]) -> Result<Option<Range<usize>>, serde_json::Error> {
    // Hardly any parameters have one, and most do not even name it.
    let is_named = memchr::memchr_iter(b'_', params).any(|at| params[at..].starts_with(b"_meta\""));
    if !is_named {
        return Ok(None);
    }
    let mut own = None;
    scan::entries(params, |key, value| {
        if key == b"_meta" {
            own = Some(value);
        }
    })
    .map_err(|_| de::Error::custom("the parameters are not a JSON object"))?;
    Ok(own)
}

/// Writes a successful response.
///
/// # Errors
/// The result cannot be JSON.
pub fn encode_result<R: Serialize + ?Sized>(
    id: &RequestId,
    result: &R,
) -> Result<Bytes, serde_json::Error> {
    #[derive(Serialize)]
    struct Wire<'a, R: ?Sized> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        result: &'a R,
    }
    serde_json::to_vec(&Wire { jsonrpc: "2.0", id, result }).map(Bytes::from)
}

/// Writes an error response; without an id when the request's could not be read.
pub fn encode_error(id: Option<&RequestId>, error: &ErrorObject) -> Bytes {
    #[derive(Serialize)]
    struct Wire<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RequestId>,
        error: &'a ErrorObject,
    }
    // Integers, strings and JSON that was valid when it was made always serialize.
    serde_json::to_vec(&Wire { jsonrpc: "2.0", id, error }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(text: &'static str) -> Result<Message, ParseError> {
        Message::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn tells_the_kinds_apart() {
        let Ok(Message::Response(response)) =
            parse(r#"{"result":{"x":1},"jsonrpc":"2.0","id":"a"}"#)
        else {
            panic!("not a response")
        };
        assert_eq!(response.id, Some("a".into()));
        assert_eq!(response.outcome.unwrap(), &br#"{"x":1}"#[..]);

        assert!(matches!(
            parse(r#"{"jsonrpc":"2.0","method":"ping","id":3}"#),
            Ok(Message::Request(Request { id: RequestId::Number(3), .. }))
        ));
        assert!(matches!(
            parse(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"a":1}}"#),
            Ok(Message::Notification(_))
        ));
        let Ok(Message::Response(response)) =
            parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#)
        else {
            panic!("not a response")
        };
        assert_eq!(response.id, None);
        assert_eq!(response.outcome.unwrap_err().code, -32000);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("Starting server…", "not JSON"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "no `method`"),
            (r#"{"id":true,"result":{}}"#, "`id`"),
            (r#"{"id":1,"error":"boom"}"#, "`error`"),
            (r#"{"method":7}"#, "`method`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn splits_a_batch() {
        let text = Bytes::from_static(br#" [{"id":1,"result":1},{"id":2,"result":2}]"#);
        assert_eq!(Message::parse_batch(&text).unwrap().len(), 2);
    }

    #[test]
    fn puts_meta_into_params() {
        let meta = r#"{"k":1}"#;
        let id = RequestId::Number(4);
        let read = |bytes: Bytes| serde_json::from_slice::<Value>(&bytes).unwrap();
        let plain = read(encode_request(&id, "tools/call", &json!({"name": "x"}), None).unwrap());
        assert_eq!(
            plain,
            json!({"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"x"}})
        );
        let none = read(encode_request(&id, "ping", &(), None).unwrap());
        assert_eq!(none, json!({"jsonrpc":"2.0","id":4,"method":"ping"}));
        for (params, expected) in [
            (json!(null), json!({"_meta":{"k":1}})),
            (json!({"a": "}"}), json!({"a":"}","_meta":{"k":1}})),
            (json!({"_meta":{"k":2,"o":3}}), json!({"_meta":{"k":2,"o":3}})),
        ] {
            let sent = read(encode_request(&id, "m", &params, Some(meta)).unwrap());
            assert_eq!(sent["params"], expected);
        }
        assert!(encode_request(&id, "m", &json!([1]), Some(meta)).is_err());
    }
}
