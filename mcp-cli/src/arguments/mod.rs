//! Arguments of a tool or a prompt, as typed on the command line.
//!
//! - `key=value`: the schema decides the type; a key that takes a list may come several times
//! - `key:=JSON`, `key=@file` (text), `key:=@file` (JSON), `key%=file` (Base64); the file `-` is
//!   standard input
//! - `a.b=1` reaches into an object
//! - `{…}`, `@file.json` and `-` (standard input) give a whole object
//!
//! Later words override earlier ones.

mod check;
mod coerce;
mod error;
mod word;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

pub(crate) use self::{check::check, error::ArgumentError};
use self::{
    coerce::coerce,
    word::{Content, Word},
};
use crate::{schema::Schema, suggest};

/// Where `@file` and `-` are read from.
pub(crate) trait Sources {
    /// A file's bytes.
    fn file(&mut self, path: &str) -> std::io::Result<Vec<u8>>;
    /// All of standard input.
    fn stdin(&mut self) -> std::io::Result<Vec<u8>>;
}

/// Whether words must fit the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Unknown keys and values of a wrong type are errors.
    Strict,
    /// What does not fit is passed on as text.
    Lenient,
}

/// Reads the words into one object.
pub(crate) fn read(
    words: &[String],
    schema: Schema<'_>,
    strictness: Strictness,
    sources: &mut dyn Sources,
) -> Result<Map<String, Value>, ArgumentError> {
    let mut reader =
        Reader { schema, strictness, sources, arguments: Map::new(), lists: Vec::new() };
    for word in words {
        reader.take(word)?;
    }
    Ok(reader.arguments)
}

struct Reader<'a> {
    schema: Schema<'a>,
    strictness: Strictness,
    sources: &'a mut dyn Sources,
    arguments: Map<String, Value>,
    /// The paths of lists that pairs have begun; the next pair of the same key appends.
    lists: Vec<String>,
}

impl Reader<'_> {
    fn take(&mut self, text: &str) -> Result<(), ArgumentError> {
        match Word::parse(text)? {
            Word::Object(json) => self.merge(text, json.as_bytes()),
            Word::ObjectIn(file) => {
                let bytes = self.bytes(file)?;
                self.merge(text, &bytes)
            }
            Word::Pair { key, content } => self.pair(key, content),
        }
    }

    fn bytes(&mut self, file: &str) -> Result<Vec<u8>, ArgumentError> {
        let read = if file == "-" { self.sources.stdin() } else { self.sources.file(file) };
        read.map_err(|source| ArgumentError::Unreadable { file: file.to_owned(), source })
    }

    fn text(&mut self, file: &str) -> Result<String, ArgumentError> {
        String::from_utf8(self.bytes(file)?)
            .map_err(|_| ArgumentError::NotText { file: file.to_owned() })
    }

    fn merge(&mut self, word: &str, json: &[u8]) -> Result<(), ArgumentError> {
        let value = serde_json::from_slice(json)
            .map_err(|source| ArgumentError::NotJson { word: word.to_owned(), source })?;
        let Value::Object(members) = value else {
            return Err(ArgumentError::NotAnObject { word: word.to_owned() });
        };
        for (key, value) in members {
            if self.strictness == Strictness::Strict {
                self.known(&key)?;
            }
            self.lists.retain(|path| !within(path, &key));
            self.arguments.insert(key, value);
        }
        Ok(())
    }

    fn known(&self, key: &str) -> Result<(), ArgumentError> {
        let properties = self.schema.properties();
        if properties.iter().any(|property| property.name == key) || self.schema.admits_other_keys()
        {
            return Ok(());
        }
        let nearest = suggest::nearest(key, properties.iter().map(|property| property.name));
        Err(ArgumentError::UnknownKey {
            key: key.to_owned(),
            nearest: nearest.map(str::to_owned),
            parameters: properties.iter().map(|property| property.name.to_owned()).collect(),
        })
    }

    fn pair(&mut self, key: &str, content: Content<'_>) -> Result<(), ArgumentError> {
        let path = self.path(key);
        if self.strictness == Strictness::Strict {
            self.known(&path[0])?;
        }
        let schema = schema_at(self.schema, &path);
        let is_list = schema.is_some_and(|schema| schema.types().array);
        let text = match content {
            Content::Text(text) => text.to_owned(),
            Content::TextFile(file) => self.text(file)?,
            Content::Base64File(file) => BASE64_STANDARD.encode(self.bytes(file)?),
            Content::Json(text) => return self.json(key, &path, text, is_list),
            Content::JsonFile(file) => {
                let text = self.text(file)?;
                return self.json(key, &path, &text, is_list);
            }
        };
        let Some(schema) = schema.filter(|schema| !schema.types().is_any()) else {
            // Nothing is known of the type; the same key again makes a list.
            return self.put(key, &path, Value::String(text), Repeat::BecomesList);
        };
        let value = match coerce(&text, schema) {
            Ok(value) => value,
            Err(_) if self.strictness == Strictness::Lenient => Value::String(text.clone()),
            Err(mismatch) => return Err(mismatch.of(key)),
        };
        match value {
            Value::Array(mut items) if is_list && !text.trim_start().starts_with('[') => {
                let item = items.pop().unwrap_or(Value::Null);
                self.put(key, &path, item, Repeat::IsList)
            }
            whole => self.put(key, &path, whole, Repeat::Replaces),
        }
    }

    fn json(
        &mut self,
        key: &str,
        path: &[String],
        text: &str,
        is_list: bool,
    ) -> Result<(), ArgumentError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|source| ArgumentError::NotJson { word: format!("{key}:={text}"), source })?;
        let repeat = if is_list && !value.is_array() && !value.is_null() {
            Repeat::IsList
        } else {
            Repeat::Replaces
        };
        self.put(key, path, value, repeat)
    }

    /// `a.b` is one key when the schema says so, else a path.
    fn path(&self, key: &str) -> Vec<String> {
        let whole = self.schema.properties().iter().any(|property| property.name == key)
            || self.arguments.contains_key(key);
        if whole || key.split('.').any(str::is_empty) {
            return vec![key.to_owned()];
        }
        key.split('.').map(str::to_owned).collect()
    }

    fn put(
        &mut self,
        key: &str,
        path: &[String],
        value: Value,
        repeat: Repeat,
    ) -> Result<(), ArgumentError> {
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        let mut object = &mut self.arguments;
        for parent in parents {
            let next = object.entry(parent).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = next else {
                return Err(ArgumentError::NotReachable {
                    key: key.to_owned(),
                    parent: parent.clone(),
                });
            };
            object = next;
        }
        let again = self.lists.iter().any(|path| path == key);
        let slot = object.entry(last).or_insert(Value::Null);
        *slot = match (repeat, slot.take()) {
            (Repeat::IsList | Repeat::BecomesList, Value::Array(mut items)) if again => {
                items.push(value);
                Value::Array(items)
            }
            (Repeat::IsList | Repeat::BecomesList, first) if again => {
                Value::Array(vec![first, value])
            }
            (Repeat::IsList, _) => Value::Array(vec![value]),
            (Repeat::Replaces | Repeat::BecomesList, _) => value,
        };
        self.lists.retain(|path| path == key || !within(path, key));
        if repeat == Repeat::Replaces {
            self.lists.retain(|path| path != key);
        } else if !again {
            self.lists.push(key.to_owned());
        }
        Ok(())
    }
}

/// What a second pair of the same key does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Replaces,
    /// The value is an item: already the first makes a list.
    IsList,
    /// The value stands alone until a second comes.
    BecomesList,
}

fn within(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn schema_at<'a>(root: Schema<'a>, path: &[String]) -> Option<Schema<'a>> {
    path.iter().try_fold(root, |schema, name| {
        schema.properties().into_iter().find(|property| property.name == name).map(|p| p.schema)
    })
}

#[cfg(test)]
mod tests;
