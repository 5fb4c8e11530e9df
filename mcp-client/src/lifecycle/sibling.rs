//! Servers that say nothing to a probe: slow ones, and those that an unknown message silences.

use std::pin::pin;

use mcp_protocol::version::ProtocolVersion;

use super::{Dialed, Opening, detect};
use crate::{Client, ConnectFailure};

impl Opening {
    /// Tries `initialize` on the connection whose probe had no answer and, when that stays silent
    /// too, on a second one that never saw a probe. The first to answer wins; the other ends.
    pub(super) async fn after_silence(&self, dialed: Dialed) -> Result<Client, ConnectFailure> {
        let mut same = pin!(self.legacy(dialed.clone()));
        let head_start = tokio::time::sleep(self.options.probe_timeout);
        let refused = tokio::select! {
            outcome = &mut same => outcome,
            () = head_start => {
                tracing::debug!(endpoint = %self.endpoint, "still silent: trying a second process");
                let mut sibling = pin!(self.sibling());
                tokio::select! {
                    outcome = &mut same => outcome,
                    outcome = &mut sibling => match outcome {
                        Ok(client) => return Ok(client),
                        // A second process may be one too many; the first may yet speak.
                        Err(_) => same.await,
                    },
                }
            }
        };
        match refused {
            // A modern server that was slow to start answers this one late, but in its own way.
            Err(ConnectFailure::Handshake(error))
                if error
                    .error_object()
                    .is_some_and(|object| detect::may_be_modern(object.code)) =>
            {
                let again = self.modern(dialed, ProtocolVersion::LATEST, false).await;
                again.map_err(|_| ConnectFailure::Handshake(error))
            }
            outcome => outcome,
        }
    }

    async fn sibling(&self) -> Result<Client, ConnectFailure> {
        let dialed = self.dial(&*self.recipe).await?;
        self.legacy(dialed).await
    }
}
