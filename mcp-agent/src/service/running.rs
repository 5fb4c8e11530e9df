//! How many calls are under way, for those who wait for their end.

use tokio::sync::watch;

/// Counts what is under way. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(watch::Sender<isize>);

/// Something is under way as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(watch::Sender<isize>);

/// Something that is under way waits for a client, and counts for nothing as long as this lives.
#[derive(Debug)]
pub(super) struct Aside(watch::Sender<isize>);

impl Running {
    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(self.0.clone())
    }

    /// For something that is under way and waits for a client, perhaps for ever.
    pub(super) fn aside(&self) -> Aside {
        self.0.send_modify(|count| *count -= 1);
        Aside(self.0.clone())
    }

    /// Waits until nothing is under way.
    pub(super) async fn idle(&self) {
        // The sender lives as long as this. What ends while it is aside is taken off twice, for
        // as long as nobody notices.
        let _ = self.0.subscribe().wait_for(|count| *count <= 0).await;
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
