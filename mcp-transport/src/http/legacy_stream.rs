//! Legacy streams that go on after a break.

use http::Method;
use mcp_protocol::version::Era;

use super::{events::Events, post::truncated, shared::Shared, sse::Event};
use crate::{DeliveryError, error::BoxError};

/// Where a stream can be taken up again.
pub(super) struct Resumable {
    era: Era,
}

impl Resumable {
    pub(super) fn new(era: Era) -> Self {
        Self { era }
    }
    pub(super) fn is_new(&mut self, _event: &Event) -> bool {
        true
    }
    pub(super) async fn resume(
        &mut self,
        _shared: &Shared,
        source: Option<BoxError>,
    ) -> Result<Events, DeliveryError> {
        let _ = (Method::GET, self.era);
        Err(truncated(source))
    }
}
