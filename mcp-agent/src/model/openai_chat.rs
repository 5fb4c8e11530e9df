//! The Chat Completions API of OpenAI, which most other providers and local servers speak too.

mod calls;
pub mod decode;
pub mod dialect;
pub mod encode;
pub mod failure;
mod messages;
mod wire;

#[cfg(test)]
mod tests;
