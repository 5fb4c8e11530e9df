//! The configuration of a server, of which some can change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::ServerConfig;

/// `None` for what no configuration has written.
#[derive(Debug)]
pub(super) struct Configured(RwLock<Option<Arc<ServerConfig>>>);

impl Configured {
    pub(super) fn new(config: Option<ServerConfig>) -> Self {
        Self(RwLock::new(config.map(Arc::new)))
    }

    pub(super) fn now(&self) -> Option<Arc<ServerConfig>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what a running server need not know.
    pub(super) fn take_rules(&self, newer: &ServerConfig) {
        let mut config = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = config.as_mut() {
            Arc::make_mut(config).take_rules(newer);
        }
    }
}
