//! A client of the Model Context Protocol, for one server or many.
//!
//! It speaks every revision from 2024-11-05 to 2026-07-28 and finds out by itself which one a server
//! speaks; callers do not notice.
//!
//! ```no_run
//! use mcp_client::Client;
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let time = Client::stdio("uvx").arg("mcp-server-time").connect().await?;
//! let result = time.call_tool("get_current_time", json!({"timezone": "Europe/Rome"})).await?;
//! for block in &result.content {
//!     println!("{}", block.as_text().unwrap_or("(not text)"));
//! }
//! time.close().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod alarms;
mod answering;
mod asking;
mod builder;
mod cache;
mod client;
mod completion;
pub mod config;
mod connect_failure;
mod digest;
mod error;
mod extension;
mod handlers;
mod hub;
mod input_required;
mod kept_file;
mod lifecycle;
mod link;
mod listing;
mod logging;
mod news;
pub mod oauth;
pub mod pins;
mod private_file;
mod progress;
mod prompts;
mod random;
mod recipe;
pub mod registry;
mod request;
mod resources;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod server_requests;
#[cfg(feature = "skills")]
mod skills;
mod subscriptions;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod tools;
mod trace;

#[cfg(feature = "schema")]
pub use self::schema::{SchemaError, SchemaValidator, Validate, Violation};
#[cfg(feature = "skills")]
pub use self::skills::{LoadedSkill, ServerSkills, SkillError, SkillFile, Skills};
pub use self::{
    builder::{ClientBuilder, ClientOptions, EraChoice},
    cache::{Cache, CacheStats, Cached, Source},
    client::{Client, ServerInfo},
    connect_failure::{ConnectFailure, InvalidOptions},
    digest::{Digest, InvalidDigest},
    error::{CallError, CallErrorKind, InputError, MissingLogin, TimeLimit},
    extension::{ExtendedResult, Extension},
    handlers::{Asker, Destination, RootsError, UnsafeDestination},
    hub::{
        Affinity, Alert, AlertCondition, AlertRule, Alerts, Applied, Availability, Backoff,
        Balance, CallerLogin, Catalog, CatalogList, CatalogLists, Durations, Ejection, Health, Hub,
        HubChange, HubEvent, HubOptions, Identity, LATENCY_BOUNDS_MS, OnBehalfOf, Refusal,
        Reloaded, ReplicaRules, ReplicaStatus, ReplicaTurn, Replicas, Server, ServerError,
        ServerState, ServerStatus, ServerWatch, StateKind, ToolUsage, Webhook, WebhookError,
        prometheus_text,
    },
    input_required::{PendingInput, Rounds, Step, Steps, Stepwise, ToolSteps},
    kept_file::KeptFileError,
    lifecycle::{FileVerdicts, MemoryVerdicts, VerdictStore},
    listing::{List, Listing, Page, PageCursor},
    prompts::GetPrompt,
    request::{Flow, Once, Request, Sending},
    resources::{ReadResource, Reading},
    secret::Secret,
    subscriptions::{Change, Watch, WatchState},
    tasks::{Detached, FollowTask, Started, TaskError, TaskHandle, TaskReport, Tasks, WhenDropped},
    tools::{CallTool, ToolFlow},
    trace::{InvalidTrace, TraceContext},
};
pub use mcp_protocol as protocol;
pub use mcp_transport as transport;
