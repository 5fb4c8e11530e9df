//! What a request that may take several rounds ends in.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    decode::{self, DecodeError},
    input_required::InputRequired,
    meta::Meta,
    open_enum::open_enum,
    raw::RawJson,
    read,
    tasks::CreatedTask,
};

open_enum! {
    /// The `resultType` of a modern result. Absent means complete.
    pub enum ResultType {
        /// The final result.
        Complete = "complete",
        /// The server needs input first.
        InputRequired = "input_required",
        /// The request goes on as a task (extension).
        Task = "task",
    }
}

/// The answer to `tools/call`, `prompts/get` and `resources/read`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// The final result.
    Complete(T),
    /// The server needs input; send the request again with the answers.
    InputRequired(Box<InputRequired>),
    /// The request goes on as a task. Only `tools/call`.
    Task(Box<CreatedTask>),
}

/// A result that other kinds of results may come in place of.
pub trait OutcomeBody: de::DeserializeOwned {
    /// Whether the request may go on as a task.
    const MAY_BE_TASK: bool = false;

    /// The kind that the result says it is.
    fn result_type(&self) -> Option<&ResultType>;

    /// Whether nothing was read beside the kind, so that the text may be of another shape.
    fn is_empty(&self) -> bool {
        false
    }
}

impl<T> Outcome<T> {
    /// The final result, if this is one.
    pub fn complete(self) -> Option<T> {
        match self {
            Self::Complete(result) => Some(result),
            _ => None,
        }
    }
}

impl<T: OutcomeBody> Outcome<T> {
    /// Reads a result. The common case, a complete one, is read once.
    ///
    /// # Errors
    /// The result is of an unknown kind, of a kind that this method must not have, or not of the
    /// shape of its kind.
    pub fn decode(json: &[u8]) -> Result<Self, DecodeError> {
        match read::from_slice::<T>(json) {
            Ok(body)
                if matches!(body.result_type(), None | Some(ResultType::Complete))
                    && !body.is_empty() =>
            {
                Ok(Self::Complete(body))
            }
            _ => Self::decode_other(json),
        }
    }

    #[cold]
    fn decode_other(json: &[u8]) -> Result<Self, DecodeError> {
        let peek: Peek = decode::strict(json)?;
        match peek.result_type {
            // A task of revision 2025-11-25 has no kind but a `task`.
            None if T::MAY_BE_TASK && peek.task.is_some() => {
                decode::strict(json).map(|task| Self::Task(Box::new(CreatedTask::Legacy(task))))
            }
            None | Some(ResultType::Complete) => decode::strict(json).map(Self::Complete),
            Some(ResultType::InputRequired) => {
                decode::strict(json).map(|input| Self::InputRequired(Box::new(input)))
            }
            Some(ResultType::Task) if T::MAY_BE_TASK => {
                decode::strict(json).map(|task| Self::Task(Box::new(CreatedTask::Extension(task))))
            }
            Some(kind) => {
                let reason = format!("a result of kind `{kind}` is not allowed here");
                Err(DecodeError::custom("resultType", reason, json))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek {
    result_type: Option<ResultType>,
    task: Option<RawJson>,
}

impl<'de, T: OutcomeBody> Deserialize<'de> for Outcome<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        Self::decode(raw.as_str().as_bytes()).map_err(de::Error::custom)
    }
}

impl<T: Serialize> Serialize for Outcome<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(result) => result.serialize(serializer),
            Self::InputRequired(input) => input.serialize(serializer),
            Self::Task(task) => task.serialize(serializer),
        }
    }
}

/// Reads the `resultType` of a method that always finishes at once: any other kind makes the result
/// invalid.
pub(crate) fn only_complete<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ResultType>, D::Error> {
    match Option::deserialize(deserializer)? {
        Some(kind) if kind != ResultType::Complete => {
            Err(de::Error::custom(format!("a result of kind `{kind}` is not allowed here")))
        }
        complete => Ok(complete),
    }
}

/// A result that says only that it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyResult {
    /// The kind of result (since 2026-07-28).
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}
