//! Conversations that come as a flat list of messages, such as from another program.

use super::{Entry, Transcript, Turn};
use crate::{
    model::{Message, Part, Role, StopReason, ToolResult},
    toolbox::ToolOutput,
};

impl Transcript {
    /// Takes over a flat list of messages and pairs each call with its result.
    ///
    /// A call that has no result is cancelled. A result that has no call is kept as words of the
    /// user, so that nothing is lost and no provider refuses the conversation.
    pub fn from_messages(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut transcript = Self::new();
        // Held back until all results of a turn were seen: after a user's words none is taken.
        let mut strays = Vec::new();
        for Message { role, parts } in messages {
            if role == Role::Tool {
                strays.extend(parts.into_iter().filter_map(|part| transcript.import_result(part)));
                continue;
            }
            transcript.import_strays(&mut strays);
            match role {
                Role::System => transcript.push_system(parts),
                Role::Assistant => {
                    let turn = Turn::new(parts, StopReason::EndTurn);
                    transcript.cancel_pending(super::ABANDONED);
                    transcript.entries.push(Entry::Assistant(turn));
                }
                Role::User | Role::Tool => transcript.push_user(parts),
            }
        }
        transcript.import_strays(&mut strays);
        transcript.cancel_pending(super::ABANDONED);
        transcript
    }

    /// Gives back what belongs to no call.
    fn import_result(&mut self, part: Part) -> Option<Vec<Part>> {
        let Part::ToolResult(ToolResult { call_id, name, content, is_error }) = part else {
            return Some(vec![part]);
        };
        let output = ToolOutput { is_error, ..ToolOutput::parts(content) };
        let orphan = self.complete(&call_id, output).err()?;
        let mut parts = vec![Part::Text(format!("Result of an earlier call of `{name}`:"))];
        parts.extend(orphan.content);
        Some(parts)
    }

    fn import_strays(&mut self, strays: &mut Vec<Vec<Part>>) {
        for parts in strays.drain(..) {
            self.push_user(parts);
        }
    }
}
