//! Logins that one session was told of: it hears when they are made, and nobody else does.

use std::time::Duration;

use mcp_protocol::{
    elicitation::{ElicitationComplete, ElicitationCompleteParams},
    method::Notification as _,
};
use mcp_transport::serve::Peer;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::{caller::LoginRequired, service::logins::Logins};

/// How long a session that asks again is told of the same page. The page is good for a while longer.
const LIFE: Duration = Duration::from_secs(480);

/// Of how many logins a session hears; the oldest gives way.
const MAX_LOGINS: usize = 16;

/// Those that are not made yet.
#[derive(Default)]
pub(super) struct ToldLogins {
    each: Vec<(LoginRequired, AbortHandle)>,
    /// End with the session.
    tasks: JoinSet<()>,
}

impl ToldLogins {
    pub(super) fn is_waiting(&self) -> bool {
        self.each.iter().any(|(_, waiting)| !waiting.is_finished())
    }

    /// What to tell of a wish: the one that was told before, while it is open. So a client that asks
    /// again and again has one page to show.
    pub(super) fn tell(
        &mut self,
        wish: LoginRequired,
        logins: &Logins,
        client: &Peer,
    ) -> LoginRequired {
        while self.tasks.try_join_next().is_some() {}
        self.each.retain(|(_, waiting)| !waiting.is_finished());
        let mut known = self.each.iter();
        if let Some((known, _)) = known.find(|(known, _)| logins.are_alike(known.id(), wish.id())) {
            return known.clone();
        }
        if self.each.len() >= MAX_LOGINS {
            self.each.remove(0).1.abort();
        }
        let (logins, client, id) = (logins.clone(), client.clone(), wish.id().to_owned());
        let waiting = self.tasks.spawn(async move {
            if timeout(LIFE, logins.wait(&id)).await.is_err() {
                return;
            }
            let made = ElicitationCompleteParams { elicitation_id: id, meta: None };
            if let Err(error) = client.notify(ElicitationComplete::NAME, &made).await {
                tracing::debug!(%error, "a client is not told of a login");
            }
        });
        self.each.push((wish.clone(), waiting));
        wish
    }
}
