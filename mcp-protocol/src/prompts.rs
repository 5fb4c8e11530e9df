//! Messages that a server has prepared for people to choose from.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cache_hint::{CacheHint, CacheScope},
    content::{ContentBlock, Role},
    decode::DecodeError,
    icons::Icon,
    input_required::{InputResponses, RequestState},
    list::{self, ListResult, SkippedItem},
    meta::Meta,
    method::Method,
    outcome::{Outcome, OutcomeBody, ResultType, only_complete},
    pagination::{Cursor, PaginatedParams},
    tolerant::{optional_whole, or_default},
};

/// `prompts/list`.
#[derive(Debug)]
pub enum ListPrompts {}

impl Method for ListPrompts {
    const NAME: &'static str = "prompts/list";
    type Params = PaginatedParams;
    type Output = ListPromptsResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `prompts/get`.
#[derive(Debug)]
pub enum GetPrompt {}

impl Method for GetPrompt {
    const NAME: &'static str = "prompts/get";
    type Params = GetPromptParams;
    type Output = Outcome<GetPromptResult>;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        Outcome::decode(result)
    }

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.name)
    }
}

/// One prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// What to get it by.
    pub name: String,
    /// For people (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it can be filled with.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgument>,
    /// Pictures (since 2025-11-25).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Entries beside the description.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl Prompt {
    /// A prompt without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What to show a person.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// What a prompt can be filled with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptArgument {
    /// What to set it by.
    pub name: String,
    /// For people (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must be set; absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

impl PromptArgument {
    /// Whether it must be set.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(false)
    }
}

/// One page of prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPromptsResult {
    /// The prompts of this page.
    pub prompts: Vec<Prompt>,
    /// Entries that could not be read and were left out.
    #[serde(skip)]
    pub skipped: Vec<SkippedItem>,
    /// Where the next page starts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    /// How long the page stays good, in milliseconds (since 2026-07-28).
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Who may share the page (since 2026-07-28).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The kind of result (since 2026-07-28).
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ListResult for ListPromptsResult {
    const ITEMS: &'static str = "prompts";
    const NAME: &'static str = "name";
    type Item = Prompt;

    fn parts(&mut self) -> (&mut Vec<Prompt>, &mut Vec<SkippedItem>) {
        (&mut self.prompts, &mut self.skipped)
    }
}

impl ListPromptsResult {
    /// What the server says about reusing the page.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

/// Which prompt, filled with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPromptParams {
    /// The prompt.
    pub name: String,
    /// The arguments: strings only.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// Answers to what an [`InputRequired`](crate::input_required::InputRequired) asked for.
    #[serde(default, skip_serializing_if = "InputResponses::is_empty")]
    pub input_responses: InputResponses,
    /// Given back as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<RequestState>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl GetPromptParams {
    /// A prompt, without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets one argument.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.arguments.insert(name.into(), value.into());
        self
    }
}

/// A prompt, filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPromptResult {
    /// What it is for. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The messages, in order.
    pub messages: Vec<PromptMessage>,
    /// The kind of result (since 2026-07-28).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl OutcomeBody for GetPromptResult {
    fn result_type(&self) -> Option<&ResultType> {
        self.result_type.as_ref()
    }
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: ContentBlock,
}
