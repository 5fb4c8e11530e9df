//! Prompts: listing and getting them.

use mcp_protocol::{
    cache_hint::CacheHint,
    list::SkippedItem,
    pagination::Cursor,
    prompts::{self, GetPromptParams, ListPrompts, ListPromptsResult, Prompt},
};

use crate::{Client, List, Page, PageCursor, Request, input_required::Rounds};

/// Getting a prompt, sent when awaited.
pub type GetPrompt<'a> = Request<'a, prompts::GetPrompt, Rounds>;

impl Client {
    /// Lists the server's prompts, all pages of them.
    pub fn list_prompts(&self) -> List<'_, ListPrompts> {
        List::new(self)
    }

    /// Gets a prompt; add its arguments with [`argument`](GetPrompt::argument).
    pub fn get_prompt(&self, name: impl Into<String>) -> GetPrompt<'_> {
        Request::new(self, GetPromptParams::new(name))
    }
}

impl GetPrompt<'_> {
    /// Sets an argument of the prompt.
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params_mut().arguments.insert(name.into(), value.into());
        self
    }
}

impl Page for ListPromptsResult {
    type Item = Prompt;

    fn into_parts(self) -> (Vec<Prompt>, Vec<SkippedItem>, Option<Cursor>) {
        (self.prompts, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        self.ttl_ms.map(|_| self.cache_hint())
    }
}

impl PageCursor for ListPromptsResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
