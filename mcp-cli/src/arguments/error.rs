//! What is wrong with an argument.

use std::io;

use serde_json::Value;

use crate::{
    signature::value_text,
    suggest,
    terminal_text::{one_line, shorten},
};

/// How much of a wrong value is shown, in characters.
const MAX_VALUE_CHARS: usize = 60;

/// Arguments that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("`{}` is not an argument", show(word))]
    NotAnArgument { word: String },
    #[error("there is no argument `{}`", show(key))]
    UnknownKey { key: String, nearest: Option<String>, parameters: Vec<String> },
    #[error("argument `{}` must be {expected}, got {}", show(key), show(got))]
    WrongType { key: String, expected: String, got: String },
    #[error("argument `{}` must be one of {}, got {}", show(key), choices.join(", "), show(got))]
    NotAChoice { key: String, choices: Vec<String>, nearest: Option<String>, got: String },
    #[error("missing argument{} {}", if keys.len() > 1 { "s" } else { "" }, list(keys))]
    Missing { keys: Vec<String> },
    #[error("`{}` is not JSON", show(word))]
    NotJson { word: String, source: serde_json::Error },
    #[error("`{}` does not hold a JSON object", show(word))]
    NotAnObject { word: String },
    #[error("cannot read {}", file_name(file))]
    Unreadable { file: String, source: io::Error },
    #[error("{} is not text in UTF-8; send it as Base64 with `key%=file`", file_name(file))]
    NotText { file: String },
    #[error("cannot set `{}`: `{}` is not an object", show(key), show(parent))]
    NotReachable { key: String, parent: String },
}

impl ArgumentError {
    pub(super) fn not_a_choice(key: &str, choices: &[Value], got: &Value) -> Self {
        let words: Vec<String> = choices.iter().map(value_text).collect();
        let nearest = got.as_str().and_then(|text| {
            suggest::nearest(text, words.iter().map(String::as_str)).map(str::to_owned)
        });
        Self::NotAChoice { key: key.to_owned(), choices: words, nearest, got: got.to_string() }
    }

    /// The parameter at fault, where there is one in the signature.
    pub(crate) fn parameter(&self) -> Option<&str> {
        match self {
            Self::WrongType { key, .. } | Self::NotAChoice { key, .. } => Some(key),
            Self::Missing { keys } => keys.first().map(String::as_str),
            Self::NotReachable { parent, .. } => Some(parent),
            _ => None,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::NotAnArgument { .. } => {
                Some("write key=value, key:=JSON, or one JSON object".to_owned())
            }
            Self::UnknownKey { parameters, .. } if parameters.is_empty() => {
                Some("the tool takes no arguments".to_owned())
            }
            Self::UnknownKey { nearest: Some(nearest), .. }
            | Self::NotAChoice { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{}`?", show(nearest)))
            }
            Self::NotJson { word, .. } if word.contains(":=") => {
                Some("`:=` takes JSON; write `=` for text".to_owned())
            }
            _ => None,
        }
    }
}

fn show(text: &str) -> String {
    shorten(&one_line(text), MAX_VALUE_CHARS).into_owned()
}

fn list(keys: &[String]) -> String {
    keys.iter().map(|key| format!("`{}`", show(key))).collect::<Vec<_>>().join(", ")
}

fn file_name(file: &str) -> String {
    if file == "-" { "standard input".to_owned() } else { format!("`{}`", show(file)) }
}
