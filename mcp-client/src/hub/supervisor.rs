//! The task that keeps one server running: starts it, watches over it, starts it again.

use std::{sync::Arc, time::Duration};

use mcp_transport::Connect;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Backoff, ServerState, board::Wish, follow::follow, slot::Slot};
use crate::{Client, ClientOptions, ConnectFailure, oauth::StoredLogin, random::fraction};

/// A server that was up for so long is well: when it goes down it is started again at once.
const STABLE: Duration = Duration::from_secs(10);
/// How many signs of life may be missing in a row before the connection counts as lost.
const SIGNS: u32 = 3;
/// A start that takes longer counts no more among those that may go on at the same time.
const PERMIT_LIMIT: Duration = Duration::from_secs(5);
/// How long one sign of life may take.
const SIGN_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Supervisor {
    pub(super) slot: Arc<Slot>,
    pub(super) recipe: Arc<dyn Connect>,
    pub(super) client: ClientOptions,
    pub(super) restart: Option<Backoff>,
    pub(super) keep_alive: Option<Duration>,
    /// Where a login of another process can be seen, and how often to look.
    pub(super) login: Option<(Duration, StoredLogin)>,
    /// How many servers may be starting at the same time.
    pub(super) permits: Arc<Semaphore>,
}

/// How often the wait for a login that helps is doubled: from 5 s to about 5 min.
const MAX_LOGIN_DOUBLINGS: u32 = 6;

/// Why a client is no longer watched over.
enum End {
    /// Somebody wished so.
    Wished,
    /// The connection is gone.
    Lost,
}

impl Supervisor {
    pub(super) async fn run(self) {
        let mut wishes = self.slot.wish.subscribe();
        loop {
            // One look: what is wished for after it ends what is begun for this.
            let wish = *wishes.borrow_and_update();
            if !wish.run {
                self.rest();
                if wishes.wait_for(|wish| wish.run).await.is_err() {
                    return;
                }
                continue;
            }
            self.slot.starting();
            let started = Instant::now();
            let starting = async {
                // Before the start, so that no login is missed that comes during it.
                let seen = self.login_now().await;
                (self.start().await, seen)
            };
            let (outcome, seen) = tokio::select! {
                outcome = starting => outcome,
                () = moved_on(&mut wishes, wish) => continue,
            };
            match outcome {
                Ok(client) => {
                    let up = Instant::now();
                    self.slot.ready(client.clone(), up - started);
                    let end = tokio::select! {
                        end = self.watch_over(&client, &mut wishes, wish) => end,
                        never = follow(&self.slot, &client) => match never {},
                    };
                    let well = up.elapsed() >= STABLE;
                    if well {
                        self.slot.is_up_again();
                    }
                    // A call that finds it lost may wish for another before that is noticed here.
                    let is_lost = matches!(end, End::Lost) || client.is_closed();
                    let error = is_lost.then_some("lost");
                    self.slot.count(|health| health.sessions.add(up.elapsed(), error));
                    match end {
                        End::Wished => client.close().await,
                        End::Lost => {
                            let failure = ConnectFailure::lost(&client);
                            client.close().await;
                            let failures = if well { 0 } else { self.slot.failures() + 1 };
                            let (took, wishes) = (up.elapsed(), &mut wishes);
                            self.pause(failure, took, failures, seen, wishes, wish).await;
                        }
                    }
                }
                Err(failure) => {
                    let failures = self.slot.failures().saturating_add(1);
                    let (took, wishes) = (started.elapsed(), &mut wishes);
                    self.pause(failure, took, failures, seen, wishes, wish).await;
                }
            }
        }
    }

    fn rest(&self) {
        let state = if self.slot.is_off() { ServerState::Disabled } else { ServerState::Stopped };
        self.slot.resting(state);
    }

    async fn start(&self) -> Result<Client, ConnectFailure> {
        // The semaphore is never closed.
        let permit = self.permits.acquire().await;
        let recipe = Arc::clone(&self.recipe);
        let connect = Client::connect_with(recipe).options(self.client.clone()).connect();
        let mut connect = std::pin::pin!(connect);
        if let Ok(outcome) = timeout(PERMIT_LIMIT, &mut connect).await {
            return outcome;
        }
        // Servers that hang must not keep others from starting.
        drop(permit);
        connect.await
    }

    /// Says that it is down, and waits until it is time to start again.
    async fn pause(
        &self,
        failure: ConnectFailure,
        took: Duration,
        failures: u32,
        seen: Option<u64>,
        wishes: &mut watch::Receiver<Wish>,
        wish: Wish,
    ) {
        // Asking a person again and again helps nobody.
        let wants_login = failure.wants_authorization();
        let backoff = self.restart.filter(|_| !wants_login);
        let Some(backoff) = backoff else {
            self.slot.down(failure, took, failures, None);
            tokio::select! {
                () = moved_on(wishes, wish) => {}
                () = self.logged_in(seen, failures), if wants_login => {
                    tracing::info!(server = %self.slot.name(), "somebody has logged in, or out");
                }
            }
            return;
        };
        if failures == 0 {
            tracing::info!(server = %self.slot.name(), %failure, "starting the server again");
            return;
        }
        let retry_at = Instant::now() + backoff.wait(failures, fraction());
        self.slot.down(failure, took, failures, Some(retry_at));
        tokio::select! {
            () = sleep_until(retry_at) => {}
            () = moved_on(wishes, wish) => {}
        }
    }

    /// What the store holds of the login.
    async fn login_now(&self) -> Option<u64> {
        let (_, login) = self.login.as_ref()?;
        login.print().await
    }

    /// Waits until the store holds something else of the login. Longer after each start that failed
    /// all the same: what is new may be what the start itself renewed.
    async fn logged_in(&self, seen: Option<u64>, failures: u32) {
        let Some((interval, login)) = &self.login else { return std::future::pending().await };
        let again = failures.saturating_sub(1).min(MAX_LOGIN_DOUBLINGS);
        sleep(*interval * ((1 << again) - 1)).await;
        loop {
            sleep(*interval).await;
            let now = login.print().await;
            if now.is_some() && now != seen {
                return;
            }
        }
    }

    /// Waits until the client is of no more use.
    async fn watch_over(
        &self,
        client: &Client,
        wishes: &mut watch::Receiver<Wish>,
        wish: Wish,
    ) -> End {
        let mut missing = 0;
        loop {
            tokio::select! {
                () = client.closed() => return End::Lost,
                () = moved_on(wishes, wish) => return End::Wished,
                () = self.quiet_for_too_long() => {}
            }
            let limit = self.keep_alive.unwrap_or(SIGN_LIMIT).min(SIGN_LIMIT);
            let asked = Instant::now();
            let sign = tokio::select! {
                sign = timeout(limit, client.ping()) => sign,
                () = moved_on(wishes, wish) => return End::Wished,
            };
            let now = Instant::now();
            let trouble: Arc<str> = match sign {
                // A refusal is a sign of life too.
                Ok(Err(error)) if !error.is_answer() => error.to_string().into(),
                Ok(_) => {
                    self.slot.count(|health| health.answered(now, now - asked));
                    self.slot.alive(client, None);
                    missing = 0;
                    continue;
                }
                Err(_) => format!("no answer to `ping` within {limit:?}").into(),
            };
            self.slot.count(|health| health.failed(now, Arc::clone(&trouble)));
            self.slot.alive(client, Some(trouble));
            missing += 1;
            if missing >= SIGNS {
                return End::Lost;
            }
        }
    }

    /// Waits until nothing was heard for the interval of signs of life; for ever without one.
    async fn quiet_for_too_long(&self) {
        let Some(interval) = self.keep_alive else { return std::future::pending().await };
        let asked = Instant::now();
        loop {
            // A sign that did not come is asked for again after the whole interval.
            let heard = self.slot.last_good().map_or(asked, |heard| heard.max(asked));
            if heard.elapsed() >= interval {
                return;
            }
            sleep_until(heard + interval).await;
        }
    }
}

/// Waits until something else is wished than this. A hub that is gone wishes nothing more.
async fn moved_on(wishes: &mut watch::Receiver<Wish>, wish: Wish) {
    if wishes.wait_for(|now| *now != wish).await.is_err() {
        std::future::pending::<()>().await;
    }
}
