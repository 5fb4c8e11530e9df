//! Language models that use the tools of Model Context Protocol servers.
//!
//! ```no_run
//! use mcp_agent::{Agent, model::openai_chat::OpenAiChat, toolbox::McpToolset};
//! use mcp_client::Client;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let time = Client::stdio("uvx").arg("mcp-server-time").connect().await?;
//! let tools = McpToolset::of_clients([("time".to_owned(), time)]).await;
//! let model = OpenAiChat::new("http://127.0.0.1:11434/v1", "qwen3")?;
//! let agent = Agent::builder(model).tools(tools).build();
//!
//! let finished = agent.run("What time is it in Rome?").await?;
//! println!("{}", finished.outcome.text());
//! # Ok(())
//! # }
//! ```
//!
//! [`Agent`] does the work; [`run`] is the loop inside it, without I/O, and [`transcript`] what was
//! said; [`policy`] says which calls run, a [`store`] keeps conversations, and [`agents`] work
//! together. [`toolbox`] makes tools of servers and of Rust functions fit for models, and [`model`]
//! holds the models: finding one, asking it, and [scripting](model::scripted) one for tests.
#![forbid(unsafe_code)]

mod agent;
pub mod agents;
pub mod context;
pub mod glob;
pub mod plan;
pub mod policy;
pub mod prices;
pub mod rank;
pub mod resources;
pub mod run;
pub mod store;
pub mod streams;
pub mod tokens;
pub mod transcript;

pub mod toolbox;

pub mod caller;
pub mod layers;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod shared;
pub mod spans;
pub mod stack;

pub mod model;

#[cfg(feature = "service")]
pub mod service;

mod error_type;
mod exposition;
mod stable_hash;

pub use agent::{
    Agent, AgentBuilder, AgentError, AgentEvent, AgentRun, CallOrder, Canceller, EndAction,
    Finished, Hooks, Journal, JournalError, ModelCallAction, OutputAction, Person, ResponseAction,
    RetryPolicy, Steering, ToolCallAction, TypedError,
};
