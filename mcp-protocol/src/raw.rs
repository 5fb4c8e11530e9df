//! JSON kept as text until somebody asks for it: schemas, `_meta`, structured content.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// One JSON value, valid but not yet read.
///
/// Reading a schema or a structured result costs time and memory that most callers never need, and
/// text is the only form that loses nothing: key order, number digits and duplicate keys survive.
///
/// ```
/// use mcp_protocol::raw::RawJson;
///
/// let schema = RawJson::parse_text(r#"{"type":"object"}"#)?;
/// let value: serde_json::Value = schema.parse()?;
/// assert_eq!(value["type"], "object");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes JSON text after checking that it is one complete value.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn parse_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// Takes JSON bytes after checking that they are one complete value in UTF-8.
    ///
    /// # Errors
    /// The bytes are not JSON.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes).map(Self)
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// The value cannot be JSON, such as a map whose keys are not strings.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The text as the sender wrote it.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads the text into a type.
    ///
    /// # Errors
    /// The JSON has another shape than `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Whether the value is the literal `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Equal texts; two spellings of one value differ.
impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl From<serde_json::Value> for RawJson {
    fn from(value: serde_json::Value) -> Self {
        // A `Value` has string keys and finite numbers only, so its text is always JSON.
        let text = value.to_string();
        Self(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// For fields in which an absent value and `null` differ: `#[serde(default, deserialize_with =
/// "mcp_protocol::raw::present")]` reads `null` as `Some`.
///
/// # Errors
/// The value is not JSON.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawJson>, D::Error> {
    RawJson::deserialize(deserializer).map(Some)
}
