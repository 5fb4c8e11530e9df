//! What a server lets be read, by URI.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    cache_hint::{CacheHint, CacheScope},
    content::Annotations,
    decode::DecodeError,
    icons::Icon,
    input_required::{InputResponses, RequestState},
    list::{self, ListResult, SkippedItem},
    meta::Meta,
    method::Method,
    outcome::{EmptyResult, Outcome, OutcomeBody, ResultType, only_complete},
    pagination::{Cursor, PaginatedParams},
    tolerant::{optional_whole, or_default},
};

/// `resources/list`.
#[derive(Debug)]
pub enum ListResources {}

impl Method for ListResources {
    const NAME: &'static str = "resources/list";
    type Params = PaginatedParams;
    type Output = ListResourcesResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `resources/templates/list`.
#[derive(Debug)]
pub enum ListResourceTemplates {}

impl Method for ListResourceTemplates {
    const NAME: &'static str = "resources/templates/list";
    type Params = PaginatedParams;
    type Output = ListResourceTemplatesResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `resources/read`.
#[derive(Debug)]
pub enum ReadResource {}

impl Method for ReadResource {
    const NAME: &'static str = "resources/read";
    type Params = ReadResourceParams;
    type Output = Outcome<ReadResourceResult>;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        Outcome::decode(result)
    }

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.uri)
    }
}

/// `resources/subscribe` (up to 2025-11-25).
#[derive(Debug)]
pub enum SubscribeResource {}

impl Method for SubscribeResource {
    const NAME: &'static str = "resources/subscribe";
    type Params = ResourceParams;
    type Output = EmptyResult;
}

/// `resources/unsubscribe` (up to 2025-11-25).
#[derive(Debug)]
pub enum UnsubscribeResource {}

impl Method for UnsubscribeResource {
    const NAME: &'static str = "resources/unsubscribe";
    type Params = ResourceParams;
    type Output = EmptyResult;
}

/// One resource that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// What to read it by.
    pub uri: String,
    /// For programs, and for people where there is no title.
    pub name: String,
    /// For people (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For a model. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The size of the bare contents, in bytes (since 2025-03-26).
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Pictures (since 2025-11-25).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Entries beside the description.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl Resource {
    /// A resource by URI and name.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uri: uri.into(), name: name.into(), ..Self::default() }
    }

    /// What to show a person.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// A family of resources whose URIs follow a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTemplate {
    /// An RFC 6570 template.
    pub uri_template: String,
    /// For programs, and for people where there is no title.
    pub name: String,
    /// For people (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For a model. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The media type of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// For whom they are, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Pictures (since 2025-11-25).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Entries beside the description.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ResourceTemplate {
    /// A template and its name.
    pub fn new(uri_template: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uri_template: uri_template.into(), name: name.into(), ..Self::default() }
    }

    /// What to show a person.
    pub fn display_name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// What was read: text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireContents", into = "WireContents")]
pub struct ResourceContents {
    /// Of the resource, or of a part of it.
    pub uri: String,
    /// The media type.
    pub mime_type: Option<String>,
    /// The contents themselves.
    pub body: ResourceBody,
    /// Entries beside the contents.
    pub meta: Option<Meta>,
}

/// Text or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Bytes in base64.
    Blob(String),
}

impl ResourceContents {
    /// Text.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        let body = ResourceBody::Text(text.into());
        Self { uri: uri.into(), mime_type: None, body, meta: None }
    }

    /// Bytes, already in base64.
    pub fn blob(uri: impl Into<String>, base64: impl Into<String>) -> Self {
        let body = ResourceBody::Blob(base64.into());
        Self { uri: uri.into(), mime_type: None, body, meta: None }
    }

    /// Names the media type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// The text, if that is what it is.
    pub fn as_text(&self) -> Option<&str> {
        match &self.body {
            ResourceBody::Text(text) => Some(text),
            ResourceBody::Blob(_) => None,
        }
    }
}

/// Both kinds of contents at once, since nothing on the wire says beforehand which one follows.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireContents {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

impl TryFrom<WireContents> for ResourceContents {
    type Error = &'static str;

    fn try_from(wire: WireContents) -> Result<Self, Self::Error> {
        let body = match (wire.text, wire.blob) {
            (Some(text), _) => ResourceBody::Text(text),
            (None, Some(blob)) => ResourceBody::Blob(blob),
            (None, None) => return Err("resource contents need `text` or `blob`"),
        };
        Ok(Self { uri: wire.uri, mime_type: wire.mime_type, body, meta: wire.meta })
    }
}

impl From<ResourceContents> for WireContents {
    fn from(contents: ResourceContents) -> Self {
        let (text, blob) = match contents.body {
            ResourceBody::Text(text) => (Some(text), None),
            ResourceBody::Blob(blob) => (None, Some(blob)),
        };
        let ResourceContents { uri, mime_type, meta, .. } = contents;
        Self { uri, mime_type, text, blob, meta }
    }
}

/// One page of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResourcesResult {
    /// The resources of this page.
    pub resources: Vec<Resource>,
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

impl ListResult for ListResourcesResult {
    const ITEMS: &'static str = "resources";
    const NAME: &'static str = "name";
    type Item = Resource;

    fn parts(&mut self) -> (&mut Vec<Resource>, &mut Vec<SkippedItem>) {
        (&mut self.resources, &mut self.skipped)
    }
}

impl ListResourcesResult {
    /// What the server says about reusing the page.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

/// One page of templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResourceTemplatesResult {
    /// The templates of this page.
    pub resource_templates: Vec<ResourceTemplate>,
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

impl ListResult for ListResourceTemplatesResult {
    const ITEMS: &'static str = "resourceTemplates";
    const NAME: &'static str = "name";
    type Item = ResourceTemplate;

    fn parts(&mut self) -> (&mut Vec<ResourceTemplate>, &mut Vec<SkippedItem>) {
        (&mut self.resource_templates, &mut self.skipped)
    }
}

impl ListResourceTemplatesResult {
    /// What the server says about reusing the page.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

/// A resource by its URI, where nothing else is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceParams {
    /// Of the resource.
    pub uri: String,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl ResourceParams {
    /// A resource.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), meta: None }
    }
}

/// What to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResourceParams {
    /// Of the resource.
    pub uri: String,
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

impl ReadResourceParams {
    /// A resource.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }
}

/// What a resource holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResourceResult {
    /// The contents, one entry for each part.
    pub contents: Vec<ResourceContents>,
    /// How long the contents stay good, in milliseconds (since 2026-07-28).
    #[serde(default, deserialize_with = "optional_whole", skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Who may share the contents (since 2026-07-28).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The kind of result (since 2026-07-28).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl OutcomeBody for ReadResourceResult {
    fn result_type(&self) -> Option<&ResultType> {
        self.result_type.as_ref()
    }
}

impl ReadResourceResult {
    /// What the server says about reusing the contents.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}
