//! Why a typed resource did not do what was asked.

use std::sync::Arc;

use super::{BindError, InvalidProfile, Verb};
use crate::caller::CallError;

/// A typed resource did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The profile has no way to do this.
    #[error(
        "server `{server}` has no verb `{verb}`; its profile has {}",
        has.iter().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
    )]
    NoVerb {
        /// Which server.
        server: Arc<str>,
        /// What was asked.
        verb: Verb,
        /// What can be asked.
        has: Vec<Verb>,
    },
    /// The server lacks a tool that the profile needs.
    #[error(
        "server `{server}` has no tool `{tool}`, which its profile needs for `{verb}`; it has {has}"
    )]
    NoTool {
        /// Which server.
        server: Arc<str>,
        /// For what.
        verb: Verb,
        /// The tool of the profile.
        tool: String,
        /// The server's tools.
        has: String,
    },
    /// The profile cannot work.
    #[error(transparent)]
    Profile(#[from] InvalidProfile),
    /// The parameters of a statement cannot be given to the server; nothing was sent.
    #[error("the statement was not sent")]
    Bind(#[from] BindError),
    /// A value cannot be given to the server; nothing was sent.
    #[error("`{name}` of `{verb}` cannot be sent: {reason}")]
    Argument {
        /// What was asked.
        verb: Verb,
        /// Which value.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no answer.
    #[error("`{verb}` has no answer")]
    Call {
        /// What was asked.
        verb: Verb,
        /// Why, and whether it may have been done.
        #[source]
        source: CallError,
    },
    /// The server says that it failed.
    #[error("`{verb}` failed: {message}")]
    Failed {
        /// What was asked.
        verb: Verb,
        /// In the server's words. Untrusted.
        message: String,
    },
    /// The answer is not what the profile or the Rust type says.
    #[error("the result of `{verb}` by `{by}` has another shape than expected")]
    Shape {
        /// What was asked.
        verb: Verb,
        /// The tool or resource.
        by: String,
        /// What does not fit.
        #[source]
        source: ShapeError,
    },
}

/// A result does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// It is no JSON, or JSON of another type.
    #[error("it does not read as the wanted type")]
    Json(#[from] serde_json::Error),
    /// There is nothing at the profile's JSON pointer.
    #[error("there is nothing at `{0}`")]
    NothingAt(String),
    /// The words after which the result begins do not stand there.
    #[error("the words {0:?} do not stand there")]
    NoHeading(String),
    /// A line without one of the profile's marks.
    #[error("line {0} has none of the profile's marks")]
    Unmarked(usize),
    /// It carries no data in Base64, or broken data.
    #[error("there are no bytes in it")]
    NoBytes,
    /// The server answered another kind of request.
    #[error("it answers something else")]
    OtherAnswer,
    /// There is no result where there must be one.
    #[error("the server says that there is nothing")]
    Absent,
}
