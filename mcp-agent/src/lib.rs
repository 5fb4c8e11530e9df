//! Language models that use the tools of Model Context Protocol servers.
#![forbid(unsafe_code)]

mod agent;
pub mod run;
pub mod transcript;

pub mod toolbox;

pub mod model;

mod stable_hash;

pub use agent::{
    Agent, AgentBuilder, AgentError, AgentEvent, AgentRun, Canceller, Finished, RetryPolicy,
};
