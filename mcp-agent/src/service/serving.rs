//! Serving, and leaving without cutting anybody off.

use std::{
    future::{Future, pending},
    io,
    pin::pin,
    sync::atomic::Ordering,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Service,
    listen::{self, Phase},
};

/// How long connections stay on which nothing happens, so that a request which is on its way just
/// then is still answered.
const LINGER: Duration = Duration::from_secs(1);

impl Service {
    /// Serves until `stop` is ready. From then on `/readyz` says no, new connections are left to
    /// whoever else has the socket, those that there are end with their next answer, and what is
    /// under way may go on for as long as [`ServiceLimits::drain`](super::ServiceLimits::drain)
    /// says. Then the servers are ended.
    ///
    /// # Errors
    /// The listener failed.
    ///
    /// # Cancel safety
    /// Dropping the future ends all connections at once.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.serve_until(listener, stop, pending()).await
    }

    /// As [`serve`](Self::serve); once it was told to stop, `hasten` ends the waiting for what is
    /// under way.
    ///
    /// # Errors
    /// The listener failed.
    ///
    /// # Cancel safety
    /// Dropping the future ends all connections at once.
    pub async fn serve_until(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        hasten: impl Future<Output = ()>,
    ) -> io::Result<()> {
        if let Ok(address) = listener.local_addr() {
            self.0.place.listens_at(address);
        }
        let phase = watch::Sender::new(Phase::Serving);
        let limits = &self.0.limits;
        let ended = {
            let serving = listen::serve(listener, self.router(), limits, phase.subscribe());
            let mut serving = pin!(serving);
            tokio::select! {
                ended = &mut serving => ended,
                () = stop => tokio::select! {
                    ended = timeout(limits.drain, self.leave(serving, &phase)) => {
                        ended.unwrap_or(Ok(()))
                    }
                    () = hasten => Ok(()),
                },
            }
        };
        self.0.endpoints.end();
        tokio::join!(self.0.hub.close(), self.0.own.close());
        ended
    }

    async fn leave(
        &self,
        serving: impl Future<Output = io::Result<()>>,
        phase: &watch::Sender<Phase>,
    ) -> io::Result<()> {
        self.0.leaving.store(true, Ordering::Relaxed);
        // Who only watches is not waited for.
        self.0.journal.end();
        phase.send_replace(Phase::Leaving);
        let ending = async {
            self.0.journal.running().idle().await;
            // Streams that would never end by themselves.
            self.0.endpoints.end();
            sleep(LINGER).await;
            phase.send_replace(Phase::Closing);
            pending::<()>().await;
        };
        tokio::select! {
            ended = serving => ended,
            () = ending => Ok(()),
        }
    }
}
