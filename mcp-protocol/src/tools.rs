//! What a server can do.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    cache_hint::{CacheHint, CacheScope},
    content::ContentBlock,
    decode::DecodeError,
    icons::Icon,
    input_required::{InputResponses, RequestState},
    list::{self, ListResult, SkippedItem},
    meta::Meta,
    method::Method,
    open_enum::open_enum,
    outcome::{Outcome, OutcomeBody, ResultType, only_complete},
    pagination::{Cursor, PaginatedParams},
    raw::{RawJson, present},
    tasks::legacy::TaskMetadata,
    tolerant::{is_false, object, optional_whole, or_default},
};

/// `tools/list`.
#[derive(Debug)]
pub enum ListTools {}

impl Method for ListTools {
    const NAME: &'static str = "tools/list";
    type Params = PaginatedParams;
    type Output = ListToolsResult;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        list::decode(result)
    }
}

/// `tools/call`.
#[derive(Debug)]
pub enum CallTool {}

impl Method for CallTool {
    const NAME: &'static str = "tools/call";
    type Params = CallToolParams;
    type Output = Outcome<CallToolResult>;

    fn decode(result: &[u8]) -> Result<Self::Output, DecodeError> {
        Outcome::decode(result)
    }

    fn name_header(params: &Self::Params) -> Option<&str> {
        Some(&params.name)
    }
}

/// One thing that a server can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// What to call it by; letter case counts.
    pub name: String,
    /// For people (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For a model. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of the arguments, an object, as the server wrote it.
    #[serde(deserialize_with = "object")]
    pub input_schema: RawJson,
    /// The JSON Schema of the structured result (since 2025-06-18).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<RawJson>,
    /// Hints about what calling it does (since 2025-03-26). Untrusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
    /// How it can be called (2025-11-25 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ToolExecution>,
    /// Pictures (since 2025-11-25).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Entries beside the description.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl Tool {
    /// A tool by name and the schema of its arguments.
    pub fn new(name: impl Into<String>, input_schema: impl Into<RawJson>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: None,
            input_schema: input_schema.into(),
            output_schema: None,
            annotations: None,
            execution: None,
            icons: Vec::new(),
            meta: None,
        }
    }

    /// Says what it does.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What to show a person: `title`, else `annotations.title`, else `name`.
    pub fn display_name(&self) -> &str {
        let annotated = || self.annotations.as_ref()?.title.as_deref();
        self.title.as_deref().or_else(annotated).unwrap_or(&self.name)
    }
}

/// Hints about what calling a tool does. Untrusted: they may make a client more careful, never less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing. Without a word: it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy. Without a word: it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// The same call again changes nothing more. Without a word: it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It touches a world beyond the server. Without a word: it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

impl ToolAnnotations {
    /// Whether it says that it changes nothing.
    pub fn is_read_only(&self) -> bool {
        self.read_only_hint.unwrap_or(false)
    }

    /// Whether it may destroy, unless it says otherwise.
    pub fn is_destructive(&self) -> bool {
        !self.is_read_only() && self.destructive_hint.unwrap_or(true)
    }

    /// Whether it says that the same call again changes nothing more.
    pub fn is_idempotent(&self) -> bool {
        self.is_read_only() || self.idempotent_hint.unwrap_or(false)
    }

    /// Whether it touches a world beyond the server, unless it says otherwise.
    pub fn is_open_world(&self) -> bool {
        self.open_world_hint.unwrap_or(true)
    }
}

/// How a tool can be called, in revision 2025-11-25.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolExecution {
    /// As a task? Absent means [`TaskSupport::Forbidden`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_support: Option<TaskSupport>,
}

open_enum! {
    /// Whether a tool runs as a task.
    pub enum TaskSupport {
        /// Never.
        Forbidden = "forbidden",
        /// If the client likes.
        Optional = "optional",
        /// Always.
        Required = "required",
    }
}

/// One page of tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListToolsResult {
    /// The tools of this page.
    pub tools: Vec<Tool>,
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

impl ListResult for ListToolsResult {
    const ITEMS: &'static str = "tools";
    const NAME: &'static str = "name";
    type Item = Tool;

    fn parts(&mut self) -> (&mut Vec<Tool>, &mut Vec<SkippedItem>) {
        (&mut self.tools, &mut self.skipped)
    }
}

impl ListToolsResult {
    /// What the server says about reusing the page.
    pub fn cache_hint(&self) -> CacheHint {
        CacheHint::new(self.ttl_ms, self.cache_scope.as_ref())
    }
}

/// Which tool to call, and with what.
///
/// ```
/// use mcp_protocol::tools::CallToolParams;
///
/// let params = CallToolParams::new("add").arguments(serde_json::json!({"a": 2, "b": 3}));
/// assert_eq!(
///     serde_json::to_string(&params)?,
///     r#"{"name":"add","arguments":{"a":2,"b":3}}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolParams {
    /// The tool.
    pub name: String,
    /// The arguments, a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<RawJson>,
    /// Answers to what an [`InputRequired`](crate::input_required::InputRequired) asked for.
    #[serde(default, skip_serializing_if = "InputResponses::is_empty")]
    pub input_responses: InputResponses,
    /// Given back as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<RequestState>,
    /// Asks for a task (2025-11-25 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMetadata>,
    /// Entries beside the parameters.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl CallToolParams {
    /// A tool, without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the arguments, a JSON object.
    #[must_use]
    pub fn arguments(mut self, arguments: impl Into<RawJson>) -> Self {
        self.arguments = Some(arguments.into());
        self
    }
}

/// What a tool gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolResult {
    /// For a model or a person. Some servers leave it out beside structured content.
    #[serde(default, deserialize_with = "or_default")]
    pub content: Vec<ContentBlock>,
    /// For programs: any JSON, `null` included, which differs from absent (since 2025-06-18; an
    /// object until 2025-11-25).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<RawJson>,
    /// The tool failed; the content says why.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub is_error: bool,
    /// The kind of result (since 2026-07-28).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<ResultType>,
    /// Entries beside the result.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

impl OutcomeBody for CallToolResult {
    const MAY_BE_TASK: bool = true;

    fn result_type(&self) -> Option<&ResultType> {
        self.result_type.as_ref()
    }

    fn is_empty(&self) -> bool {
        self.content.is_empty() && self.structured_content.is_none()
    }
}

impl CallToolResult {
    /// A result of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![ContentBlock::text(text)], ..Self::default() }
    }

    /// A failure that the model should see.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// The texts among the content, joined by newlines.
    pub fn joined_text(&self) -> String {
        let texts: Vec<&str> = self.content.iter().filter_map(ContentBlock::as_text).collect();
        texts.join("\n")
    }
}
