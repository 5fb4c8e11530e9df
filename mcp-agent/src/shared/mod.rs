//! What several processes share, outside of all of them.
//!
//! Nothing here is needed: alone, a process keeps everything by itself, and while something shared
//! is away it goes on so.

#[cfg(feature = "redis")]
mod redis;

use std::{fmt, sync::Arc};

#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisError};

/// Something outside that processes share.
pub trait Companion: fmt::Debug + Send + Sync + 'static {
    /// What it is, in one word.
    fn name(&self) -> &'static str;

    /// Whether it is there, as far as is known without asking it.
    fn presence(&self) -> Presence;
}

/// Whether something shared is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// It was not met so far.
    #[default]
    Unknown,
    /// It answers.
    Here,
    /// It does not.
    Away {
        /// Why.
        reason: Arc<str>,
    },
}
