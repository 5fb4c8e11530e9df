//! Servers as databases, folders, stores and queues with Rust types.
//!
//! MCP knows tools and resources, and has no method for SQL, files or keys. What is here is an
//! adapter on the host's side: a [`Profile`] says by which of a server's tools or resources each
//! [`Verb`] is done and how its results are read, and [`TypedResource`] does it. There are profiles
//! for some published servers; one's own are data, written in code or read by serde.
//!
//! ```no_run
//! use mcp_agent::resources::{Profile, TypedResource};
//! use mcp_client::Client;
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::stdio("npx")
//!     .args(["-y", "@modelcontextprotocol/server-postgres", "postgresql://localhost/shop"])
//!     .connect()
//!     .await?;
//! let db = TypedResource::of_client("db", client, Profile::postgres()).await?;
//! let users: Vec<User> =
//!     db.execute("SELECT name FROM users WHERE created_at > ?", ["2024-01-01"]).await?;
//! println!("{} users, the first is {:?}", users.len(), users.first().map(|user| &user.name));
//! # Ok(())
//! # }
//! ```

mod error;
mod files;
mod http;
mod key_value;
mod official;
mod profile;
mod queue;
mod shape;
mod sql;
mod sql_literals;
mod typed;

pub use self::{
    error::{ResourceError, ShapeError},
    files::{Entry, EntryKind},
    profile::{InvalidProfile, Profile, Shape, Step, Target, Verb},
    sql_literals::{BindError, SqlDialect},
    typed::TypedResource,
};
