//! Suggestions for the arguments of prompts and resource templates.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    meta::Meta,
    method::Method,
    outcome::{ResultType, only_complete},
    tolerant::{is_false, optional_whole, or_default},
};

/// `completion/complete`.
#[derive(Debug)]
pub enum Complete {}

impl Method for Complete {
    const NAME: &'static str = "completion/complete";
    type Params = CompleteParams;
    type Output = CompleteResult;
}

/// What to complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompleteParams {
    /// Whose argument.
    #[serde(rename = "ref")]
    pub reference: CompletionReference,
    /// The argument and what is typed so far.
    pub argument: CompletionArgument,
    /// What is already chosen (since 2025-06-18).
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "CompletionContext::is_empty"
    )]
    pub context: CompletionContext,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl CompleteParams {
    /// An argument, and what is typed so far.
    pub fn new(
        reference: CompletionReference,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            reference,
            argument: CompletionArgument { name: name.into(), value: value.into() },
            context: CompletionContext::default(),
            meta: None,
        }
    }
}

/// What an argument belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum CompletionReference {
    /// A prompt.
    #[serde(rename = "ref/prompt")]
    Prompt {
        /// Its name.
        name: String,
        /// For people (since 2025-06-18).
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// A resource template.
    #[serde(rename = "ref/resource")]
    Resource {
        /// The template.
        uri: String,
    },
}

impl CompletionReference {
    /// A prompt by name.
    pub fn prompt(name: impl Into<String>) -> Self {
        Self::Prompt { name: name.into(), title: None }
    }

    /// A resource template by its text.
    pub fn resource(uri_template: impl Into<String>) -> Self {
        Self::Resource { uri: uri_template.into() }
    }
}

/// An argument, and what is typed so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionArgument {
    /// Its name.
    pub name: String,
    /// What is typed so far.
    pub value: String,
}

/// What is already chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionContext {
    /// The other arguments.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
}

impl CompletionContext {
    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        self.arguments.is_empty()
    }
}

/// Suggestions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteResult {
    /// The suggestions.
    pub completion: Completion,
    /// The kind of result (since 2026-07-28).
    #[serde(default, deserialize_with = "only_complete", skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

/// Suggestions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// At most 100.
    pub values: Vec<String>,
    /// How many there are in all, if known.
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether there are more than these.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub has_more: bool,
}
