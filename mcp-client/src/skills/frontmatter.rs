//! The YAML at the head of a `SKILL.md`, and whether it says what the entry says.
//!
//! The text comes from a stranger. It is turned into values event by event, so that aliases, by
//! which a few lines stand for gigabytes, are refused rather than followed.

use mcp_protocol::{raw::RawJson, skills::Skill};
use saphyr::Scalar;
use saphyr_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

use super::SkillError;

/// How deep values may lie within each other.
const MAX_DEPTH: usize = 32;

/// Compares the head of a `SKILL.md` with its entry, field by field.
pub(super) fn compare(skill: &Skill, text: &str) -> Result<(), SkillError> {
    let malformed = |reason| SkillError::Frontmatter { uri: skill.uri.clone(), reason };
    let yaml = head(text).ok_or_else(|| malformed("there is none between `---` lines".into()))?;
    let mut written = parse(yaml).map_err(malformed)?;
    let mismatch = |field: &str| SkillError::FrontmatterMismatch {
        uri: skill.uri.clone(),
        field: field.to_owned(),
    };
    for (field, promised) in skill.frontmatter.iter() {
        let is_same = written.remove(field).is_some_and(|value| is_same_json(&value, promised));
        if !is_same {
            return Err(mismatch(field));
        }
    }
    match written.keys().next() {
        Some(field) => Err(mismatch(field)),
        None => Ok(()),
    }
}

/// What stands between the first line and the next one that are `---`.
fn head(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---")?;
    let mut length = 0;
    for line in lines {
        if line.trim_end() == "---" {
            return Some(&text[first.len()..first.len() + length]);
        }
        length += line.len();
    }
    None
}

/// The fields of a YAML document that is a mapping.
fn parse(yaml: &str) -> Result<Map<String, Value>, String> {
    let mut events = Events(Parser::new_from_str(yaml));
    loop {
        match events.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::MappingStart(..) => break,
            _ => return Err("it has no fields".to_owned()),
        }
    }
    let fields = events.mapping(0)?;
    loop {
        match events.next()? {
            Event::StreamEnd => return Ok(fields),
            Event::DocumentEnd | Event::Nothing => {}
            _ => return Err("something follows the fields".to_owned()),
        }
    }
}

struct Events<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.0.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(fields),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err("a key is not a word".to_owned()),
            };
            let event = self.next()?;
            let value = self.value(event, depth)?;
            if fields.contains_key(&key) {
                return Err(format!("`{key}` is there twice"));
            }
            fields.insert(key, value);
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(items),
                event => items.push(self.value(event, depth)?),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth >= MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} levels deep"));
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref())
                    .map(scalar)
                    .ok_or_else(|| "a value does not fit its tag".to_owned())
            }
            Event::SequenceStart(..) => self.sequence(depth + 1).map(Value::Array),
            Event::MappingStart(..) => self.mapping(depth + 1).map(Value::Object),
            Event::Alias(_) => Err("it has aliases".to_owned()),
            _ => Err("it ends too early".to_owned()),
        }
    }
}

fn scalar(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Bool(flag),
        Scalar::Integer(number) => Value::from(number),
        // Infinities are no JSON; `null` is what other writers of JSON make of them.
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::String(text.into_owned()),
    }
}

fn is_same_json(value: &Value, json: &RawJson) -> bool {
    json.parse::<Value>().is_ok_and(|other| is_same(value, &other))
}

/// Equal in content: how a number is written does not matter, nor the order of fields.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other
                || one.as_f64().zip(other.as_f64()).is_some_and(|(a, b)| a.total_cmp(&b).is_eq())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, a)| other.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => one == other,
    }
}
