//! What befalls the servers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_client::Hub;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    processes::{children, signal},
    random::Random,
};

/// What was done.
const DEEDS: [&str; 6] = ["killed", "asked to end", "stopped", "slowed", "restarted", "switched"];

/// The churn, and whom it has stopped.
#[derive(Clone, Default)]
pub(crate) struct Churn(Arc<Shared>);

#[derive(Default)]
struct Shared {
    counts: [AtomicU64; DEEDS.len()],
    stopped: Mutex<BTreeSet<u32>>,
}

impl Churn {
    /// Does something to some server a few times a second, for as long as there is a storm.
    pub(crate) async fn run(self, hub: Hub, mut storm: watch::Receiver<bool>, mut random: Random) {
        let mut under_way = JoinSet::new();
        while storm.wait_for(|storm| *storm).await.is_ok() {
            sleep(Duration::from_millis(50 + random.below(400))).await;
            while under_way.try_join_next().is_some() {}
            if !*storm.borrow() {
                continue;
            }
            let deed = random.below(DEEDS.len() as u64);
            let pids = children().unwrap_or_default();
            let servers = hub.servers();
            let (Some(&pid), Some(server)) = (random.pick(&pids), random.pick(&servers)) else {
                continue;
            };
            match deed {
                0 => signal(pid, "-KILL").await,
                1 => signal(pid, "-TERM").await,
                2 => self.stop(pid).await,
                3 => {
                    let (churn, ticks) = (self.clone(), 1 + random.below(20));
                    under_way.spawn(async move { churn.slow(pid, ticks).await });
                }
                4 => server.restart(),
                _ => {
                    let (hub, name) = (hub.clone(), server.name().to_owned());
                    hub.enable(&name, false);
                    let pause = Duration::from_millis(random.below(300));
                    under_way.spawn(async move {
                        sleep(pause).await;
                        hub.enable(&name, true);
                    });
                }
            }
            if let Some(count) = usize::try_from(deed).ok().and_then(|deed| self.0.counts.get(deed))
            {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Stops a process until the next calm moment, unless it is killed for that before.
    async fn stop(&self, pid: u32) {
        self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        signal(pid, "-STOP").await;
    }

    /// Has a process run only now and then.
    async fn slow(&self, pid: u32, ticks: u64) {
        for _ in 0..ticks {
            // The number may be another's once this one is gone.
            if !children().unwrap_or_default().contains(&pid) {
                return;
            }
            signal(pid, "-STOP").await;
            sleep(Duration::from_millis(40)).await;
            signal(pid, "-CONT").await;
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets all that were stopped go on.
    pub(crate) async fn wake_all(&self) {
        let stopped =
            std::mem::take(&mut *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner));
        let alive = children().unwrap_or_default();
        for pid in stopped.into_iter().filter(|pid| alive.contains(pid)) {
            signal(pid, "-CONT").await;
        }
    }

    pub(crate) fn counts(&self) -> String {
        let counts = DEEDS.iter().zip(&self.0.counts);
        let texts: Vec<_> = counts
            .map(|(deed, count)| format!("{} {deed}", count.load(Ordering::Relaxed)))
            .collect();
        format!("servers: {}", texts.join(", "))
    }
}
