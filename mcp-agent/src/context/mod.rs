//! Resources of servers as context for a model: found for a question, or pinned and kept fresh.
//!
//! MCP gives resources to the host, not to the model: which of them the model reads is decided
//! here. [`Gatherer`] looks for what a question needs, within a budget of tokens. [`LiveContext`]
//! holds pinned resources, hears of their changes and tells the conversation.

mod every_turn;
mod gather;
mod live;
mod part;
mod template;

pub use self::{
    every_turn::EveryTurn,
    gather::{GatherOptions, Gathered, Gatherer, LeftOut, Reason},
    live::{LiveChange, LiveContext, LiveOptions, LiveResource},
    part::ContextPart,
    template::prompt_messages,
};

use mcp_client::{Client, Hub};

/// Servers by name, as they are now.
pub trait ServerSource: Send + Sync + 'static {
    /// Those that are ready.
    fn clients(&self) -> Vec<(String, Client)>;
}

impl ServerSource for Hub {
    fn clients(&self) -> Vec<(String, Client)> {
        Self::clients(self)
    }
}

impl ServerSource for Vec<(String, Client)> {
    fn clients(&self) -> Vec<(String, Client)> {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
