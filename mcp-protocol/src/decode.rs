//! Reading a result into its type, with an error that names the field.

use serde::de::DeserializeOwned;

use crate::read::{self, Refused};

/// How much of the offending JSON an error shows, in bytes.
const SNIPPET_BYTES: usize = 160;

/// The peer's JSON does not have the shape that the method promises.
#[derive(Debug, thiserror::Error)]
#[error("{} in `{snippet}`", self.headline())]
#[non_exhaustive]
pub struct DecodeError {
    /// Where in the value, such as `content[0].mimeType`; `.` is the value itself.
    pub path: String,
    /// The start of the JSON that was read.
    pub snippet: String,
    /// What was expected and found.
    #[source]
    pub source: serde_json::Error,
}

impl DecodeError {
    fn headline(&self) -> String {
        match self.path.as_str() {
            "" | "." => self.source.to_string(),
            path => format!("field `{path}`: {}", self.source),
        }
    }

    /// An error about the whole value, for rules that serde cannot state.
    pub fn custom(path: impl Into<String>, reason: impl std::fmt::Display, json: &[u8]) -> Self {
        Self { path: path.into(), snippet: snippet(json), source: serde::de::Error::custom(reason) }
    }
}

/// Reads one JSON value.
///
/// The path of a failure is found by reading a second time, so that success pays nothing for it.
///
/// # Errors
/// The bytes are not JSON, or not of this shape.
pub fn strict<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeError> {
    read::from_slice(json).or_else(|Refused| judged(json))
}

#[cold]
fn judged<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(json).map_err(|error| explain::<T>(json, error))
}

#[cold]
fn explain<T: DeserializeOwned>(json: &[u8], error: serde_json::Error) -> DecodeError {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let (path, source) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => (".".to_owned(), error),
        Err(located) => (located.path().to_string(), located.into_inner()),
    };
    DecodeError { path, snippet: snippet(json), source }
}

/// The start of some bytes as text fit for an error message.
pub fn snippet(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SNIPPET_BYTES)];
    let mut text: String = String::from_utf8_lossy(shown)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
}
