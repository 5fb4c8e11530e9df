//! Agents through the public API: what programs that use them rely on.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod cancelling;
mod coming_from;
mod contents;
mod history;
mod hooks;
mod kept_words;
#[cfg(unix)]
mod killed;
mod piecemeal;
mod prompt_prefix;
mod resources;
mod standing;
mod steering;
mod streams;
mod structured_output;
mod summaries;
