//! JSON Schema: 2020-12, which is also the default, and draft-07. A schema is never altered and
//! never leads out of its own document.

mod calls;
mod deadline;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jsonschema::{Draft, PatternOptions, Retrieve, Uri, Validator};
use mcp_protocol::raw::RawJson;
use serde_json::Value;

pub use self::calls::Validate;
pub(crate) use self::calls::{
    ToolSchemas, check_arguments, check_promised, check_result, promised,
};

/// A longer schema is not compiled.
const MAX_SCHEMA_BYTES: usize = 1 << 20;
/// A deeper one neither; it bounds the stack of the validator.
const MAX_DEPTH: usize = 64;
/// The most memory that one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// A longer value is not checked.
const MAX_VALUE_BYTES: usize = 16 << 20;
/// The most that a check without a deadline may have to do: bytes of the schema times bytes of the
/// value.
const MAX_WORK: usize = 1 << 26;
/// How long a check may take.
const MAX_TIME: Duration = Duration::from_secs(1);
/// How many violations an error names.
const MAX_VIOLATIONS: usize = 8;

/// A compiled schema. Compile once, check often.
///
/// Patterns are matched in linear time, so look-around and back-references, which need more, are
/// refused. `format` is an annotation and not checked. Where a schema can make a check take longer
/// than its size and the value's show, by references for example, the check runs on a thread of its
/// own and is given up after a second. Such a thread cannot be stopped, so only a few may run on.
///
/// ```
/// use mcp_client::{SchemaError, SchemaValidator, protocol::raw::RawJson};
///
/// let schema = RawJson::parse_text(r#"{"type":"object","required":["city"]}"#)?;
/// let validator = SchemaValidator::compile(&schema)?;
/// assert!(validator.check(&RawJson::parse_text(r#"{"city":"Rome"}"#)?).is_ok());
/// assert!(validator.check(&RawJson::parse_text("{}")?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SchemaValidator {
    validator: Arc<Validator>,
    /// Whether a check takes no longer than its sizes multiplied.
    is_bounded: bool,
    bytes: usize,
}

/// A schema cannot be used, or a value does not satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The schema itself is wrong, or asks for what this crate does not do.
    #[error("the schema cannot be used: {reason}")]
    Unusable {
        /// What is wrong with it.
        reason: String,
    },
    /// The value is too long to be checked.
    #[error("the value has {bytes} bytes, more than can be checked")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The check takes too long, or many do.
    #[error("the check did not end within {after:?}")]
    TooSlow {
        /// The limit.
        after: Duration,
    },
    /// The value does not satisfy the schema.
    #[error("{}", list(.0))]
    Violated(Vec<Violation>),
}

/// One place where a value does not satisfy its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where in the value, as a JSON pointer; empty for the whole.
    pub path: String,
    /// Which rule of the schema, as a JSON pointer.
    pub rule: String,
    /// What the rule asks for. Does not repeat the value, which may be secret.
    pub message: String,
}

fn list(violations: &[Violation]) -> String {
    let texts: Vec<_> = violations
        .iter()
        .map(|Violation { path, rule, message }| {
            let place = if path.is_empty() { "the value" } else { path };
            format!("{place}: {message} ({rule})")
        })
        .collect();
    texts.join("; ")
}

/// Nothing outside of the schema is ever read.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`$ref` to {uri} leads out of the schema").into())
    }
}

impl SchemaValidator {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SchemaError::Unusable`]: it is no schema, of a dialect other than 2020-12 and draft-07, too
    /// long or too deep, refers to another document, or has a pattern that needs backtracking.
    pub fn compile(schema: &RawJson) -> Result<Self, SchemaError> {
        let unusable = |reason: String| SchemaError::Unusable { reason };
        let bytes = schema.as_str().len();
        if bytes > MAX_SCHEMA_BYTES {
            return Err(unusable(format!("it has {bytes} bytes")));
        }
        if depth(schema.as_str()) > MAX_DEPTH {
            return Err(unusable(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        let is_bounded = deadline::is_bounded(schema.as_str());
        let schema: Value = schema.parse().map_err(|error| unusable(error.to_string()))?;
        let draft = match schema.get("$schema").and_then(Value::as_str) {
            None => Draft::Draft202012,
            Some(name) => dialect(name)
                .ok_or_else(|| unusable(format!("its dialect `{name}` is not supported")))?,
        };
        jsonschema::options()
            .with_draft(draft)
            .with_retriever(Nowhere)
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .build(&schema)
            .map(|validator| Self { validator: Arc::new(validator), is_bounded, bytes })
            .map_err(|error| unusable(error.to_string()))
    }

    /// Checks a value.
    ///
    /// # Errors
    /// [`SchemaError::Violated`] names the first places and rules; [`SchemaError::TooLong`], and
    /// [`SchemaError::TooSlow`] after a second.
    pub fn check(&self, value: &RawJson) -> Result<(), SchemaError> {
        self.check_within(value, MAX_TIME)
    }

    /// Whether the value can be checked in a time that its size shows.
    pub(super) fn is_quick(&self, value: &RawJson) -> bool {
        self.is_quick_for(value.as_str().len())
    }

    fn is_quick_for(&self, value_bytes: usize) -> bool {
        self.is_bounded && self.bytes.saturating_mul(value_bytes) <= MAX_WORK
    }

    fn check_within(&self, value: &RawJson, limit: Duration) -> Result<(), SchemaError> {
        let bytes = value.as_str().len();
        if bytes > MAX_VALUE_BYTES {
            return Err(SchemaError::TooLong { bytes });
        }
        let value: Value =
            value.parse().map_err(|error| SchemaError::Unusable { reason: error.to_string() })?;
        if self.is_quick_for(bytes) {
            return judge(&self.validator, &value);
        }
        let validator = Arc::clone(&self.validator);
        deadline::within(limit, move || judge(&validator, &value))
    }
}

fn judge(validator: &Validator, value: &Value) -> Result<(), SchemaError> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let violations = validator.iter_errors(value).take(MAX_VIOLATIONS).map(|error| Violation {
        path: error.instance_path().to_string(),
        rule: error.schema_path().to_string(),
        message: error.masked().to_string(),
    });
    Err(SchemaError::Violated(violations.collect()))
}

impl fmt::Debug for SchemaValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaValidator").finish_non_exhaustive()
    }
}

fn dialect(name: &str) -> Option<Draft> {
    let name = name.trim_end_matches('#');
    let (_, name) = name.split_once("://")?;
    match name {
        "json-schema.org/draft/2020-12/schema" => Some(Draft::Draft202012),
        "json-schema.org/draft-07/schema" => Some(Draft::Draft7),
        _ => None,
    }
}

/// How deep arrays and objects are nested in JSON text.
fn depth(json: &str) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}
