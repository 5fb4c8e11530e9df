//! Results of servers, read as a profile says.

use base64::{Engine, prelude::BASE64_STANDARD};
use mcp_protocol::{
    content::ContentBlock,
    raw::RawJson,
    resources::{ResourceBody, ResourceContents},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Shape, ShapeError, Step};
use crate::caller::Answer;

/// What a server answered, before its shape is looked at.
pub(super) struct Raw {
    pub(super) text: String,
    structured: Option<RawJson>,
    /// In Base64.
    data: Option<String>,
    /// Whether a tool says that it failed.
    pub(super) is_error: bool,
}

/// What a result is, by its shape.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// The server says that there is nothing.
    Absent,
    Value(Value),
    Text(String),
    Bytes(Vec<u8>),
}

impl Raw {
    pub(super) fn of(answer: Answer) -> Result<Self, ShapeError> {
        match answer {
            Answer::Tool(result) => {
                let data = result.content.iter().find_map(|block| match block {
                    ContentBlock::Image(media) | ContentBlock::Audio(media) => {
                        Some(media.data.clone())
                    }
                    ContentBlock::Resource(embedded) => blob(&embedded.resource),
                    _ => None,
                });
                Ok(Self {
                    text: result.joined_text(),
                    structured: result.structured_content.clone(),
                    data,
                    is_error: result.is_error,
                })
            }
            Answer::Resource(result) => {
                let texts: Vec<_> =
                    result.contents.iter().filter_map(ResourceContents::as_text).collect();
                Ok(Self {
                    text: texts.join("\n"),
                    structured: None,
                    data: result.contents.iter().find_map(blob),
                    is_error: false,
                })
            }
            _ => Err(ShapeError::OtherAnswer),
        }
    }

    /// Reads it as the step says; the values are those of the verb.
    pub(super) fn read(
        mut self,
        step: &Step,
        values: &Map<String, Value>,
    ) -> Result<Found, ShapeError> {
        if let Some(heading) = &step.after {
            let heading = with_values(heading, values);
            let Some((_, rest)) = self.text.split_once(&*heading) else {
                return Err(ShapeError::NoHeading(heading));
            };
            self.text = String::from(rest);
            self.structured = None;
        }
        Ok(match &step.shape {
            Shape::Nothing => Found::Nothing,
            Shape::Json => Found::Value(self.json()?),
            Shape::JsonAt(pointer) => {
                let whole = self.json()?;
                let part = whole.pointer(pointer).cloned();
                Found::Value(part.ok_or_else(|| ShapeError::NothingAt(pointer.clone()))?)
            }
            Shape::OptionAt(pointer) => match self.json()?.pointer(pointer) {
                None => Found::Absent,
                Some(Value::String(text)) => Found::Text(text.clone()),
                Some(part) => Found::Value(part.clone()),
            },
            Shape::Text => Found::Text(self.text),
            Shape::Bytes => match self.data {
                Some(data) => {
                    Found::Bytes(BASE64_STANDARD.decode(data).map_err(|_| ShapeError::NoBytes)?)
                }
                None if self.text.is_empty() => return Err(ShapeError::NoBytes),
                None => Found::Bytes(self.text.into_bytes()),
            },
            Shape::Lines => Found::Value(self.text.lines().collect()),
            Shape::MarkedLines { file, folder } => Found::Value(marked(&self.text, file, folder)?),
            Shape::Tree => {
                let nodes: Vec<Node> = serde_json::from_str(&self.text)?;
                let mut entries = Vec::new();
                flatten(nodes, "", &mut entries);
                Found::Value(Value::Array(entries))
            }
        })
    }

    fn json(&self) -> Result<Value, ShapeError> {
        Ok(match &self.structured {
            Some(structured) => structured.parse()?,
            None => serde_json::from_str(&self.text)?,
        })
    }
}

impl Found {
    /// Reads it into a type. A text that is JSON is read as JSON, any other as a string.
    pub(super) fn into_type<T: DeserializeOwned>(self) -> Result<T, ShapeError> {
        Ok(match self {
            Self::Value(value) => T::deserialize(value)?,
            Self::Text(text) => serde_json::from_str(&text)
                .or_else(|error| T::deserialize(Value::String(text)).map_err(|_| error))?,
            Self::Nothing | Self::Absent => T::deserialize(Value::Null)?,
            Self::Bytes(_) => return Err(ShapeError::OtherAnswer),
        })
    }
}

fn blob(contents: &ResourceContents) -> Option<String> {
    match &contents.body {
        ResourceBody::Blob(data) => Some(data.clone()),
        ResourceBody::Text(_) => None,
    }
}

/// A text of a profile with the verb's values in it, to be compared with what a server said.
pub(super) fn with_values(text: &str, values: &Map<String, Value>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value =
            after.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        match value {
            Some((Value::String(value), after)) => {
                filled.push_str(value);
                rest = after;
            }
            Some((value, after)) => {
                filled.push_str(&value.to_string());
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

fn marked(text: &str, file: &str, folder: &str) -> Result<Value, ShapeError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let entries = lines.map(|(at, line)| {
        if let Some(name) = line.strip_prefix(file) {
            Ok(json!({"path": name, "kind": "file"}))
        } else if let Some(name) = line.strip_prefix(folder) {
            Ok(json!({"path": name, "kind": "folder"}))
        } else {
            Err(ShapeError::Unmarked(at + 1))
        }
    });
    entries.collect()
}

/// A file or folder of [`Shape::Tree`].
#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(rename = "type")]
    kind: NodeKind,
    #[serde(default)]
    children: Vec<Self>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NodeKind {
    File,
    Directory,
}

/// A folder before what is in it. JSON is read to a bounded depth, and so is this.
fn flatten(nodes: Vec<Node>, above: &str, entries: &mut Vec<Value>) {
    for Node { name, kind, children } in nodes {
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        let kind = match kind {
            NodeKind::File => "file",
            NodeKind::Directory => "folder",
        };
        entries.push(json!({"path": path, "kind": kind}));
        flatten(children, &path, entries);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_protocol::tools::CallToolResult;

    use super::*;

    fn read(text: &str, step: &Step) -> Result<Found, ShapeError> {
        let values = json!({"key": "a{b}"}).as_object().unwrap().clone();
        let answer = Answer::Tool(Arc::new(CallToolResult::text(text)));
        Raw::of(answer).unwrap().read(step, &values)
    }

    fn step(shape: Shape) -> Step {
        Step::tool("t", json!({})).shape(shape)
    }

    #[test]
    fn by_table() {
        let marked = Shape::MarkedLines { file: "[FILE] ".to_owned(), folder: "[DIR] ".to_owned() };
        let tree = r#"[{"name": "a", "type": "directory", "children": [
            {"name": "b", "type": "file"}]}, {"name": "c", "type": "file"}]"#;
        let file = |path: &str| json!({"path": path, "kind": "file"});
        let folder = |path: &str| json!({"path": path, "kind": "folder"});
        for (shape, text, found) in [
            (Shape::Json, "[1, 2]", json!([1, 2])),
            (Shape::JsonAt("/rows/0".into()), r#"{"rows": [7]}"#, json!(7)),
            (Shape::Lines, "a\nb", json!(["a", "b"])),
            (marked.clone(), "[DIR] x y\n[FILE] z\n", json!([folder("x y"), file("z")])),
            (Shape::Tree, tree, json!([folder("a"), file("a/b"), file("c")])),
        ] {
            assert_eq!(read(text, &step(shape)).unwrap(), Found::Value(found), "{text}");
        }
        assert!(matches!(read("x", &step(marked)), Err(ShapeError::Unmarked(1))));
        assert!(matches!(read("{}", &step(Shape::Tree)), Err(ShapeError::Json(_))));
        assert!(matches!(
            read("{}", &step(Shape::JsonAt("/a".into()))),
            Err(ShapeError::NothingAt(_))
        ));
    }

    #[test]
    fn values_in_texts_of_a_profile() {
        let found = read("Key a{b}:\nvalue", &step(Shape::Text).after("Key {key}:\n")).unwrap();
        assert_eq!(found, Found::Text("value".to_owned()));
        let error = read("value", &step(Shape::Text).after("Key {key}, {other}")).unwrap_err();
        assert_eq!(error.to_string(), r#"the words "Key a{b}, {other}" do not stand there"#);
    }
}
