//! What must hold of every conversation, however it came about.

use std::collections::HashSet;

use mcp_agent::{
    model::{CallId, Message, Part, Role},
    transcript::Transcript,
};

/// Each call has exactly one result, in the message right after it, in the same order.
pub(crate) fn assert_whole(messages: &[Message]) {
    for (place, message) in messages.iter().enumerate() {
        let calls = ids(message, |part| match part {
            Part::ToolCall(call) => Some(&call.id),
            _ => None,
        });
        let follows = messages.get(place + 1).filter(|next| next.role == Role::Tool);
        let results = follows.map(|next| {
            ids(next, |part| match part {
                Part::ToolResult(result) => Some(&result.call_id),
                _ => None,
            })
        });
        assert_eq!(calls, results.unwrap_or_default(), "{messages:#?}");
        assert_eq!(calls.iter().collect::<HashSet<_>>().len(), calls.len(), "{calls:?}");
        let answers =
            place.checked_sub(1).is_some_and(|before| messages[before].role == Role::Assistant);
        assert!(message.role != Role::Tool || answers, "{messages:#?}");
    }
}

fn ids<'a>(message: &'a Message, id: impl Fn(&'a Part) -> Option<&'a CallId>) -> Vec<&'a str> {
    message.parts.iter().filter_map(id).map(CallId::as_str).collect()
}

/// The text of each message, one a line: `user: …`, `call NAME ARGUMENTS`, `result: …`.
pub(crate) fn told(transcript: &Transcript) -> Vec<String> {
    let messages = transcript.messages();
    let lines = messages.iter().flat_map(|message| {
        message.parts.iter().map(|part| match part {
            Part::Text(text) => format!("{}: {text}", word(message.role)),
            Part::ToolCall(call) => format!("call {} {}", call.name, call.arguments),
            Part::ToolResult(result) => {
                let texts = result.content.iter().filter_map(Part::as_text);
                format!("result: {}", texts.collect::<String>())
            }
            part => format!("{part:?}"),
        })
    });
    lines.collect()
}

fn word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "model",
        _ => "tool",
    }
}
