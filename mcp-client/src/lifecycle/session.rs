//! A legacy server over HTTP that has forgotten its session gets a new one: specification
//! 2025-11-25, basic/transports, "Session Management".

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_protocol::{
    initialize::{Initialize, InitializeParams, Initialized},
    method::{Method, Notification},
};
use mcp_transport::transport::Mirrored;
use tokio::sync::Semaphore;

use super::legacy::set_log_level;
use crate::{
    CallError, CallErrorKind,
    link::{CallOptions, Link},
};

/// How sessions of one connection are opened again.
pub(crate) struct Sessions {
    opening: InitializeParams,
    limit: Duration,
    /// Whether the server takes a log level.
    logs: bool,
    /// How many sessions were opened after the first.
    renewed: AtomicU64,
    /// One opens, whoever else wants a session waits.
    turn: Semaphore,
}

impl Sessions {
    pub(super) fn new(opening: InitializeParams, limit: Duration, logs: bool) -> Self {
        Self { opening, limit, logs, renewed: AtomicU64::new(0), turn: Semaphore::new(1) }
    }

    /// Tells the sessions of a connection apart.
    pub(crate) fn current(&self) -> u64 {
        self.renewed.load(Ordering::Acquire)
    }

    /// Opens a new session, unless that was done since the lost one was used. False when the
    /// server speaks another revision now, so that the client must be connected anew.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the opening to the next one who wants it.
    pub(crate) async fn renew(&self, lost: u64, link: &Arc<Link>) -> Result<bool, CallError> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        if self.current() != lost {
            return Ok(true);
        }
        tracing::debug!(endpoint = %link.endpoint, "the server has forgotten the session");
        let name = Initialize::NAME;
        let mut options = CallOptions { total: Some(self.limit), ..CallOptions::default() };
        let result =
            link.request_once(name, &self.opening, Mirrored::default(), &mut options).await?;
        let result = Initialize::decode(&result)
            .map_err(|error| link.error(CallErrorKind::Undecodable(error), name))?;
        let now = &result.protocol_version;
        if link.version.as_ref().is_some_and(|before| before != now) {
            tracing::warn!(endpoint = %link.endpoint, now = now.as_str(), "it changed its revision");
            return Ok(false);
        }
        link.notify(Initialized::NAME, &()).await?;
        self.renewed.fetch_add(1, Ordering::Release);
        if let Some(level) = link.log_level.as_ref().filter(|_| self.logs) {
            set_log_level(link, level.clone(), self.limit).await;
        }
        // What was subscribed to is gone with the session.
        link.watchers.begin_again();
        Ok(true)
    }
}
