//! Completion of arguments of prompts and resource templates.

use mcp_protocol::completion::{Complete, CompleteParams};

use crate::{Client, Request};

impl Client {
    /// Asks for values that complete an argument.
    pub fn complete(&self, params: CompleteParams) -> Request<'_, Complete> {
        Request::new(self, params)
    }
}
