//! What comes with a request that is no part of it.

use std::{any::Any, fmt, sync::Arc};

/// Something that a request of HTTP led to, for the [`Service`](super::Service) that answers it:
/// put it into the extensions of the HTTP request, and [`Peer::beside`](super::Peer::beside) gives
/// it, whatever task that is in.
#[derive(Clone)]
pub struct Beside(Arc<dyn Any + Send + Sync>);

impl Beside {
    /// Holds something.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Arc::new(value))
    }

    /// What it holds, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside")
    }
}
