//! One line for each tool call, such as `● fs.read_file path="TODO.md"   ✓ 12 ms   1.8 KiB`.

use std::time::Duration;

use mcp_agent::toolbox::{McpToolset, PreparedCall};
use serde_json::{Map, Value};

use crate::{
    measure::{show_bytes, show_time},
    messages::{Messages, terminal_width},
    terminal_text::{one_line, shorten},
    theme::Role,
};

/// How much of one argument is shown, in characters.
const MAX_VALUE_CHARS: usize = 40;
/// Where the times stand when there is room, in characters.
const TIMES_COLUMN: usize = 64;

/// A tool as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The server; empty for a name that nobody offers.
    pub(crate) server: String,
    /// The tool's own name.
    pub(crate) tool: String,
    /// Whether the server says that it may destroy.
    pub(crate) destructive: bool,
}

impl Label {
    /// The tool behind the name that the model uses.
    pub(crate) fn of(name: &str, tools: &McpToolset) -> Self {
        match tools.tool(name) {
            Some(found) => Self {
                server: found.server,
                tool: one_line(&found.tool.name),
                destructive: found
                    .tool
                    .annotations
                    .is_some_and(|it| it.destructive_hint == Some(true)),
            },
            None => Self { server: String::new(), tool: one_line(name), destructive: false },
        }
    }

    /// Such as `fs.read_file`.
    pub(crate) fn dotted(&self) -> String {
        if self.server.is_empty() {
            self.tool.clone()
        } else {
            format!("{}.{}", self.server, self.tool)
        }
    }
}

/// A call on one line, without its outcome.
pub(crate) fn call_text(label: &Label, call: &PreparedCall) -> String {
    format!("{}{}", label.dotted(), arguments_text(&call.arguments))
}

fn arguments_text(arguments: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in arguments {
        let value = one_line(&value.to_string());
        text.push(' ');
        text.push_str(&one_line(key));
        text.push('=');
        text.push_str(&shorten(&value, MAX_VALUE_CHARS));
    }
    text
}

/// The whole card.
pub(crate) fn card(
    messages: &Messages,
    text: &str,
    outcome: Result<(Duration, usize), &str>,
) -> String {
    let tail = match outcome {
        Ok((took, bytes)) => format!("{}   {}", show_time(took), show_bytes(bytes)),
        Err(reason) => one_line(reason),
    };
    // The outcome is short, unless it is a reason, which may wrap.
    let room = terminal_width().saturating_sub(tail.chars().count().min(40) + 8).max(24);
    let text = shorten(text, room);
    let gap = TIMES_COLUMN.min(room).saturating_sub(text.chars().count()) + 2;
    let (name, arguments) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let (mark, role) = match outcome {
        Ok(_) => ("✓", Role::Good),
        Err(_) => ("✗", Role::Bad),
    };
    format!(
        "{} {}{}{}{} {}",
        messages.paint(role, "●"),
        messages.paint(Role::Name, name),
        messages.paint(Role::Dim, arguments),
        " ".repeat(gap),
        messages.paint(role, mark),
        messages.paint(Role::Dim, tail)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        messages::{ErrorForm, Loudness},
        theme::Theme,
    };

    #[test]
    fn shows_a_call_on_one_line() {
        let messages = Messages::new(Theme::Plain, Loudness::Silent, ErrorForm::Text, false);
        let label = Label { server: "fs".into(), tool: "read".into(), destructive: false };
        let Value::Object(arguments) = json!({"path": "TODO.md", "n": 3}) else { unreachable!() };
        let call = PreparedCall::new("1", "mcp__fs__read", arguments);
        let text = call_text(&label, &call);
        assert_eq!(text, r#"fs.read path="TODO.md" n=3"#);
        let card = card(&messages, &text, Ok((Duration::from_millis(12), 1900)));
        let words: Vec<_> = card.split_whitespace().collect();
        assert_eq!(
            words,
            ["●", "fs.read", "path=\"TODO.md\"", "n=3", "✓", "12", "ms", "1.8", "KiB"]
        );
        let bad = super::card(&messages, &text, Err("no such\nfile"));
        assert!(bad.ends_with("✗ no such file"), "{bad}");
    }
}
