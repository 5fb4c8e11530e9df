//! The level of the log messages that a legacy server sends.

use mcp_protocol::logging::{LoggingLevel, SetLevel, SetLevelParams};

use crate::{Client, Request};

impl Client {
    /// Changes the level for the whole connection of a legacy server. Modern servers take it with
    /// each request; see [`Request::log_level`]. [`ClientOptions::log_level`] works for both.
    ///
    /// [`ClientOptions::log_level`]: crate::ClientOptions::log_level
    pub fn set_log_level(&self, level: LoggingLevel) -> Request<'_, SetLevel> {
        Request::new(self, SetLevelParams::new(level))
    }
}
