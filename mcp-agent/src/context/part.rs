//! One resource as a model reads it, labelled with where it is from.

use std::{fmt::Write as _, time::SystemTime};

use mcp_protocol::resources::{ReadResourceResult, ResourceBody};

use crate::{
    model::Part,
    tokens::{self, TokenCounter},
};

/// The contents of a resource with their source.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContextPart {
    /// The server, as configured.
    pub server: String,
    /// The resource.
    pub uri: String,
    /// For people.
    pub title: String,
    /// When it was read.
    pub read_at: SystemTime,
    /// Its text; what is not text is named, not shown.
    pub text: String,
    /// Whether the end is missing, since there was no room.
    pub is_cut: bool,
}

impl ContextPart {
    pub(super) fn new(server: &str, uri: &str, title: &str, result: ReadResourceResult) -> Self {
        let mut text = String::new();
        for contents in result.contents {
            if !text.is_empty() {
                text.push('\n');
            }
            match contents.body {
                ResourceBody::Text(body) => text.push_str(&body),
                ResourceBody::Blob(data) => {
                    let kind = contents.mime_type.as_deref().unwrap_or("binary data");
                    let bytes = data.len() / 4 * 3;
                    // Writing to a `String` cannot fail.
                    let _ = write!(text, "[{kind}, about {bytes} bytes, not shown]");
                }
            }
        }
        Self {
            server: server.to_owned(),
            uri: uri.to_owned(),
            title: title.to_owned(),
            read_at: SystemTime::now(),
            text,
            is_cut: false,
        }
    }

    /// As the model reads it: the text between lines that name the source.
    pub fn render(&self) -> String {
        format!("{}{}{}", self.opening(), self.text, self.closing())
    }

    fn opening(&self) -> String {
        let Self { server, uri, title, .. } = self;
        let title = if title == uri { String::new() } else { format!(" title={title:?}") };
        format!("<resource server={server:?} uri={uri:?}{title}>\n")
    }

    fn closing(&self) -> &'static str {
        if self.is_cut { "\n[… the rest is left out]\n</resource>\n" } else { "\n</resource>\n" }
    }

    /// The same part within so many tokens, cut at its end where it must be; `None` where there is
    /// no room for anything that would help.
    pub(super) fn within(&self, max_tokens: usize, counter: &dyn TokenCounter) -> Option<Self> {
        const WORTHWHILE: usize = 32;
        if counter.count(&self.render()) <= max_tokens {
            return Some(self.clone());
        }
        let mut cut = Self { is_cut: true, text: String::new(), ..self.clone() };
        // Some counters count a text as more than the sum of its pieces.
        let mut room = max_tokens.checked_sub(counter.count(&cut.render()))?;
        while room >= WORTHWHILE {
            tokens::start_of(&self.text, room, counter).clone_into(&mut cut.text);
            if counter.count(&cut.render()) <= max_tokens {
                return Some(cut);
            }
            room = room / 10 * 9;
        }
        None
    }
}

/// Several parts as one text of a message.
pub(super) fn as_part(parts: &[ContextPart]) -> Option<Part> {
    (!parts.is_empty()).then(|| Part::Text(parts.iter().map(ContextPart::render).collect()))
}
