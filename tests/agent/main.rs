//! Agents through the public API: what programs that use them rely on.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod contents;
#[cfg(unix)]
mod killed;
mod prompt_prefix;
mod resources;
mod streams;
