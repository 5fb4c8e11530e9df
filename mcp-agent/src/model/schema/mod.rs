//! One JSON Schema for every provider.
//!
//! Providers read dialects of JSON Schema. The compiler writes a schema in a provider's dialect
//! and says what it could not carry over; that is told to the model in the description of the
//! place, and checked on this side as ever. The original is never altered.
//!
//! - [`OpenAi`](SchemaDialect::OpenAi), [`Anthropic`](SchemaDialect::Anthropic): as it is, except
//!   that the outermost level must be a plain object.
//! - [`Gemini`](SchemaDialect::Gemini): references are put in place, `const` becomes `enum`,
//!   `oneOf` `anyOf`, `allOf` is merged; keywords that the provider does not know are told in
//!   words.
//! - [`Ollama`](SchemaDialect::Ollama): references are put in place, since templates do not follow
//!   them.
//! - [`OpenAiStrict`](SchemaDialect::OpenAiStrict),
//!   [`AnthropicStrict`](SchemaDialect::AnthropicStrict): every object is closed, and whatever the
//!   model can write for the result is valid for the original, or there is no result.

mod document;
mod loose;
mod merge;
mod optional;
mod strict;
mod tools;

use std::borrow::Cow;

use mcp_protocol::raw::RawJson;
use serde_json::{Map, Value, json};

use self::document::Document;
pub use self::tools::{SchemaCache, ToolParameters, strict_parameters};

/// A provider's way to read JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaDialect {
    /// Functions of OpenAI that are not strict; also what compatible servers read.
    OpenAi,
    /// Strict functions and answers of OpenAI.
    OpenAiStrict,
    /// Tools of Anthropic.
    Anthropic,
    /// Strict tools and answers of Anthropic.
    AnthropicStrict,
    /// Functions and answers of Gemini.
    Gemini,
    /// Tools of Ollama.
    Ollama,
}

/// A schema in a provider's dialect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Compiled {
    /// The schema.
    pub schema: Value,
    /// What it does not say. When nothing is lost, whatever is valid for it is valid for the
    /// original.
    pub lost: Vec<Lost>,
}

impl Compiled {
    /// Whether nothing is lost.
    pub fn is_exact(&self) -> bool {
        self.lost.is_empty()
    }
}

/// A rule that a dialect cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Where in the original, as a JSON pointer.
    pub path: String,
    /// Such as `not`.
    pub keyword: String,
}

/// A schema has no strict form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema has no strict form: {reason} at `{path}`")]
#[non_exhaustive]
pub struct NotConvertible {
    /// Where in the original, as a JSON pointer; empty for the whole.
    pub path: String,
    /// What is in the way.
    pub reason: &'static str,
}

/// Compiles a schema of an object.
///
/// ```
/// use mcp_agent::model::schema::{SchemaDialect, compile};
///
/// let schema = serde_json::json!({
///     "type": "object",
///     "properties": {"at": {"$ref": "#/$defs/place"}},
///     "$defs": {"place": {"type": "string", "minLength": 2}},
/// });
/// let compiled = compile(&schema, SchemaDialect::Gemini)?;
/// assert_eq!(compiled.schema["properties"]["at"]["type"], "string");
/// assert_eq!(compiled.lost[0].keyword, "minLength");
/// # Ok::<(), mcp_agent::model::schema::NotConvertible>(())
/// ```
///
/// # Errors
/// The dialect is strict and the schema allows what a strict one cannot, such as objects with any
/// properties.
pub fn compile(schema: &Value, dialect: SchemaDialect) -> Result<Compiled, NotConvertible> {
    let document = Document::new(schema);
    match dialect {
        SchemaDialect::OpenAiStrict | SchemaDialect::AnthropicStrict => {
            strict::compile(&document, dialect)
        }
        _ => Ok(loose::compile(&document, dialect)),
    }
}

/// As [`compile`], from text. A text that is no JSON counts as a schema that allows any object.
///
/// # Errors
/// As [`compile`].
pub fn compile_raw(schema: &RawJson, dialect: SchemaDialect) -> Result<Compiled, NotConvertible> {
    compile(&schema.parse().unwrap_or(Value::Bool(true)), dialect)
}

/// The parameters of a tool. What needs no change is not even parsed.
pub fn parameters(schema: &RawJson, dialect: SchemaDialect) -> Cow<'_, RawJson> {
    if is_plain(schema.as_str(), dialect) {
        return Cow::Borrowed(schema);
    }
    // A dialect that is not strict always has a result.
    match compile_raw(schema, dialect) {
        Ok(compiled) => Cow::Owned(compiled.schema.into()),
        Err(_) => Cow::Borrowed(schema),
    }
}

/// Whether nothing in the text can need a change. May say no in vain.
fn is_plain(text: &str, dialect: SchemaDialect) -> bool {
    const COMBINED: [&str; 4] = ["\"anyOf\"", "\"oneOf\"", "\"allOf\"", "\"$ref\""];
    const OLD: [&str; 4] = ["\"$schema\"", "\"definitions\"", "\"dependencies\"", "\"exclusiveM"];
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_object = text.contains("\"type\":\"object\"") && text.contains("\"properties\"");
    is_object
        && match dialect {
            SchemaDialect::OpenAi => !has(&COMBINED) && !has(&["\"not\"", "\"enum\""]),
            SchemaDialect::Anthropic => !has(&COMBINED) && !has(&OLD),
            SchemaDialect::Ollama => !has(&["\"$ref\"", "\"anyOf\"", "\"oneOf\"", "\"allOf\""]),
            _ => false,
        }
}

/// Says in words what the schema of this place cannot.
fn tell(node: &mut Map<String, Value>, lost: &Map<String, Value>) {
    const LONGEST: usize = 400;
    if lost.is_empty() {
        return;
    }
    let rules = Value::Object(lost.clone()).to_string();
    let rules = if rules.len() <= LONGEST {
        rules
    } else {
        lost.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let known = node.get("description").and_then(Value::as_str).unwrap_or_default();
    let gap = if known.is_empty() { "" } else { "\n" };
    node.insert("description".to_owned(), json!(format!("{known}{gap}Must also satisfy: {rules}")));
}

/// Keywords that say something to people and forbid nothing.
fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "title"
            | "description"
            | "default"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "format"
            | "contentEncoding"
            | "contentMediaType"
            | "contentSchema"
            | "$comment"
            | "$schema"
            | "$id"
            | "$anchor"
            | "$defs"
            | "definitions"
            | "nullable"
    ) || keyword.starts_with("x-")
}

fn below(path: &str, token: &str) -> String {
    format!("{path}/{}", token.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
