//! Prompts of servers as the beginning of a conversation.

use mcp_protocol::{content::Role, prompts::GetPromptResult, tools::CallToolResult};

use crate::{
    model::{Message, Part},
    toolbox::results,
};

/// What a server's prompt says, as messages. Texts that come one after the other from the same side
/// stay messages of their own; what is meant for people only is left out.
///
/// ```no_run
/// use mcp_agent::context::prompt_messages;
///
/// # async fn example(client: mcp_client::Client) -> Result<(), mcp_client::CallError> {
/// let prompt = client.get_prompt("review").argument("language", "Rust").await?;
/// for message in prompt_messages(prompt) {
///     println!("{:?}: {:?}", message.role, message.parts);
/// }
/// # Ok(())
/// # }
/// ```
pub fn prompt_messages(prompt: GetPromptResult) -> Vec<Message> {
    let said = prompt.messages.into_iter().filter_map(|message| {
        let content =
            CallToolResult { content: vec![message.content], ..CallToolResult::default() };
        let parts: Vec<Part> = results::from_mcp(content).content;
        let is_model = message.role == Role::Assistant;
        (!parts.is_empty())
            .then(|| if is_model { Message::assistant(parts) } else { Message::user(parts) })
    });
    said.collect()
}
