//! Arguments of tools that Streamable HTTP repeats in `Mcp-Param-*` headers (2026-07-28).
//!
//! A server marks a property of a tool's input schema with `x-mcp-header`. A client must not offer a
//! tool whose marks break the rules of the specification's section on custom headers.

#[cfg(test)]
mod tests;

use std::{collections::HashSet, fmt, sync::LazyLock};

use memchr::{memchr, memmem::Finder};
use serde_json::{Map, Value};

use crate::{
    header_values::{encode, is_token},
    raw::RawJson,
};

/// The key of the mark in a schema.
const MARK: &str = "x-mcp-header";
/// Looks for it in schemas, of which a list has many.
static MARK_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));
/// The greatest whole number that every JSON implementation holds exactly.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Which arguments of one tool to repeat, and where.
///
/// ```
/// use mcp_protocol::{param_headers::ParamHeaders, raw::RawJson};
/// use serde_json::json;
///
/// let schema = RawJson::from(json!({
///     "type": "object",
///     "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
/// }));
/// let plan = ParamHeaders::from_schema(&schema)?;
/// let headers = plan.values(&json!({"region": "eu", "query": "…"}))?;
/// assert_eq!(headers, [("Mcp-Param-Region".to_owned(), "eu".to_owned())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<ParamHeader>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ParamHeader {
    /// The full name, such as `Mcp-Param-Region`.
    name: String,
    /// The keys that lead from the arguments to the value.
    path: Vec<String>,
}

/// Why a tool must not be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`x-mcp-header` at `{at}` {problem}")]
#[non_exhaustive]
pub struct InvalidParamHeader {
    /// The place in the schema, as a JSON pointer.
    pub at: String,
    /// What is wrong there.
    pub problem: ParamHeaderProblem,
}

/// What is wrong with a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamHeaderProblem {
    /// The schema itself is not a JSON object.
    NotASchema,
    /// The mark is not a string.
    NotAString,
    /// The name is empty.
    Empty,
    /// The name cannot be part of a header's name.
    NotAToken(String),
    /// Another mark has the same name, letter case aside.
    Duplicate(String),
    /// The property is not a string, an integer or a boolean.
    NotPrimitive,
    /// The property cannot be found by `properties` alone.
    Unreachable,
}

impl fmt::Display for ParamHeaderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASchema => f.write_str("cannot be read: the schema is not an object"),
            Self::NotAString => f.write_str("is not a string"),
            Self::Empty => f.write_str("is empty"),
            Self::NotAToken(name) => {
                write!(f, "names `{}`, which no header can have", name.escape_default())
            }
            Self::Duplicate(name) => write!(f, "names `{name}`, as another one does"),
            Self::NotPrimitive => {
                f.write_str("is on a property whose `type` is not string, integer or boolean")
            }
            Self::Unreachable => f.write_str("cannot be reached by `properties` alone"),
        }
    }
}

/// Why an argument cannot be repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParamValue {
    /// The arguments are not JSON.
    #[error("the arguments are not JSON: {reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// Neither string, whole number nor boolean.
    #[error(
        "argument `{argument}` must be a string, a whole number or a boolean, since it goes into a header"
    )]
    NotPrimitive {
        /// The keys that lead to it, joined by dots.
        argument: String,
    },
    /// A whole number outside ±(2^53−1), which servers may read in different ways.
    #[error("argument `{argument}` is a whole number beyond 2^53, which cannot go into a header")]
    UnsafeInteger {
        /// The keys that lead to it, joined by dots.
        argument: String,
    },
}

impl ParamHeaders {
    /// Reads the marks of an input schema.
    ///
    /// # Errors
    /// A mark breaks the rules: the tool must not be offered.
    pub fn from_schema(input_schema: &RawJson) -> Result<Self, InvalidParamHeader> {
        let text = input_schema.as_str();
        // Nearly all schemas have no mark, and one can only be hidden by an escape.
        let escaped = memchr(b'\\', text.as_bytes()).is_some_and(|at| text[at..].contains("\\u"));
        if !escaped && MARK_FINDER.find(text.as_bytes()).is_none() {
            return Ok(Self::default());
        }
        let Ok(Value::Object(schema)) = input_schema.parse() else {
            let problem = ParamHeaderProblem::NotASchema;
            return Err(InvalidParamHeader { at: String::new(), problem });
        };
        let mut walk = Walk::default();
        walk.schema(&schema, &mut Vec::new(), Some(&mut Vec::new()))?;
        Ok(Self(walk.found))
    }

    /// Whether nothing is to be repeated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the headers, in the order of the schema.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|header| header.name.as_str())
    }

    /// The headers for some arguments: names, and values as they go over the wire. An argument that
    /// is absent or `null` has none.
    ///
    /// # Errors
    /// A value cannot stand in a header.
    pub fn values(&self, arguments: &Value) -> Result<Vec<(String, String)>, InvalidParamValue> {
        let mut headers = Vec::new();
        for ParamHeader { name, path } in &self.0 {
            let value = path.iter().try_fold(arguments, |value, key| value.get(key.as_str()));
            let Some(value) = value else { continue };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => encode(text).into_owned(),
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => integer(number, path)?.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(InvalidParamValue::NotPrimitive { argument: path.join(".") });
                }
            };
            headers.push((name.clone(), text));
        }
        Ok(headers)
    }

    /// As [`ParamHeaders::values`], for arguments that are still text. Without marks the text is not
    /// read.
    ///
    /// # Errors
    /// As [`ParamHeaders::values`].
    pub fn values_of(
        &self,
        arguments: Option<&RawJson>,
    ) -> Result<Vec<(String, String)>, InvalidParamValue> {
        match arguments {
            Some(arguments) if !self.is_empty() => {
                let arguments = arguments
                    .parse()
                    .map_err(|error| InvalidParamValue::NotJson { reason: error.to_string() })?;
                self.values(&arguments)
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn integer(number: &serde_json::Number, path: &[String]) -> Result<i64, InvalidParamValue> {
    let argument = || path.join(".");
    let whole = number.as_i64().or_else(|| {
        // `42.0` is the integer 42. Every whole float in this range converts without loss.
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
        let limit = MAX_SAFE_INTEGER as f64;
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= limit)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Some(float as i64)
    });
    match whole {
        Some(whole) if whole.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => Ok(whole),
        Some(_) => Err(InvalidParamValue::UnsafeInteger { argument: argument() }),
        None if number.as_f64().is_some_and(|float| float.fract() == 0.0) => {
            Err(InvalidParamValue::UnsafeInteger { argument: argument() })
        }
        None => Err(InvalidParamValue::NotPrimitive { argument: argument() }),
    }
}

#[derive(Default)]
struct Walk {
    found: Vec<ParamHeader>,
    /// The names in lower case.
    names: HashSet<String>,
}

impl Walk {
    /// Visits one schema. `at` is the place in the schema; `path` is the way to the value in the
    /// arguments, as long as it is one.
    fn schema<'a>(
        &mut self,
        schema: &'a Map<String, Value>,
        at: &mut Vec<&'a str>,
        mut path: Option<&mut Vec<String>>,
    ) -> Result<(), InvalidParamHeader> {
        if let Some(mark) = schema.get(MARK) {
            let path = path.as_deref().filter(|path| !path.is_empty());
            self.mark(mark, schema, path)
                .map_err(|problem| InvalidParamHeader { at: pointer(at), problem })?;
        }
        for (keyword, value) in schema {
            at.push(keyword);
            match keyword.as_str() {
                // Plain data: what stands there is no annotation.
                MARK | "const" | "enum" | "default" | "example" | "examples" => {}
                "properties" => self.properties(value, at, path.as_deref_mut())?,
                // The keys of these are names, not keywords.
                "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
                | "dependencies" => self.properties(value, at, None)?,
                _ => self.subschemas(value, at)?,
            }
            at.pop();
        }
        Ok(())
    }

    fn properties<'a>(
        &mut self,
        properties: &'a Value,
        at: &mut Vec<&'a str>,
        mut path: Option<&mut Vec<String>>,
    ) -> Result<(), InvalidParamHeader> {
        let Value::Object(properties) = properties else { return self.subschemas(properties, at) };
        for (name, property) in properties {
            let Value::Object(property) = property else { continue };
            at.push(name);
            if let Some(path) = path.as_deref_mut() {
                path.push(name.clone());
                self.schema(property, at, Some(path))?;
                path.pop();
            } else {
                self.schema(property, at, None)?;
            }
            at.pop();
        }
        Ok(())
    }

    /// Anything else that may hold schemas, from which no argument can be found.
    fn subschemas<'a>(
        &mut self,
        value: &'a Value,
        at: &mut Vec<&'a str>,
    ) -> Result<(), InvalidParamHeader> {
        match value {
            Value::Object(schema) => self.schema(schema, at, None),
            Value::Array(values) => values.iter().try_for_each(|value| self.subschemas(value, at)),
            _ => Ok(()),
        }
    }

    fn mark(
        &mut self,
        mark: &Value,
        schema: &Map<String, Value>,
        path: Option<&Vec<String>>,
    ) -> Result<(), ParamHeaderProblem> {
        let Value::String(name) = mark else { return Err(ParamHeaderProblem::NotAString) };
        if name.is_empty() {
            return Err(ParamHeaderProblem::Empty);
        }
        if !is_token(name) {
            return Err(ParamHeaderProblem::NotAToken(name.clone()));
        }
        let Some(path) = path else { return Err(ParamHeaderProblem::Unreachable) };
        let kind = schema.get("type").and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            return Err(ParamHeaderProblem::NotPrimitive);
        }
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(ParamHeaderProblem::Duplicate(name.clone()));
        }
        self.found.push(ParamHeader { name: format!("Mcp-Param-{name}"), path: path.clone() });
        Ok(())
    }
}

fn pointer(at: &[&str]) -> String {
    at.iter().fold(String::new(), |mut pointer, key| {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        pointer
    })
}
