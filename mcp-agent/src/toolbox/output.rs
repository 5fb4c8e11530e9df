//! What a tool returned, for the model and for people.

use mcp_protocol::raw::RawJson;
use serde::{Deserialize, Serialize};

use crate::model::{Part, ToolDefinition, is_false};

/// What a tool returned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolOutput {
    /// For the model.
    pub content: Vec<Part>,
    /// Whether the content says what went wrong.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_error: bool,
    /// For people only; never shown to the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub for_user: Vec<Part>,
    /// The structured result as the server sent it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<RawJson>,
    /// Tools that the model is offered from now on, after those that it knows already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<ToolDefinition>,
}

impl ToolOutput {
    /// A result in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::parts(vec![Part::Text(text.into())])
    }

    /// A result of several parts.
    pub fn parts(content: Vec<Part>) -> Self {
        Self { content, ..Self::default() }
    }

    /// What went wrong, so that the model can do better.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// Gives the revealed tools the names by which another set knows them; those without one are
    /// left out.
    pub(crate) fn rename_reveals(&mut self, name: impl Fn(&str) -> Option<String>) {
        self.reveals.retain_mut(|tool| match name(&tool.name) {
            Some(name) => {
                tool.name = name;
                true
            }
            None => false,
        });
    }

    /// All words for the model, lines between the parts.
    pub fn to_text(&self) -> String {
        let texts: Vec<_> = self
            .content
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text.clone()),
                Part::Json(value) => Some(value.to_string()),
                _ => None,
            })
            .collect();
        texts.join("\n")
    }
}
