//! Changes of a legacy server: what it announces by itself, and `resources/subscribe`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use mcp_protocol::{
    method::Method,
    resources::{ResourceParams, SubscribeResource, UnsubscribeResource},
    subscriptions::SubscriptionFilter,
};
use mcp_transport::transport::Mirrored;
use tokio::time::{Instant, sleep_until};

use super::{
    backoff::{Ending, Relisten},
    coverage::Phase,
};
use crate::{
    CallError, CallErrorKind,
    link::{CallOptions, Link},
    random::fraction,
};

/// How long the answer to one subscription may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How many subscriptions are asked for at a time.
const AT_ONCE: usize = 8;

/// Keeps the server's subscriptions equal to what is wanted, until nothing is or the connection is
/// over.
pub(super) async fn run(link: &Arc<Link>) {
    let mut interest = link.watchers.interest();
    let declared = link.watchers.declared();
    let mut subscribed = BTreeSet::new();
    let mut refused = BTreeSet::new();
    let mut policy = Relisten::default();
    let mut beginning = link.watchers.beginning();
    loop {
        interest.borrow_and_update();
        let latest = link.watchers.beginning();
        if std::mem::replace(&mut beginning, latest) != latest {
            subscribed.clear();
        }
        if link.transport.is_closed() {
            link.watchers.close();
        }
        let wanted = link.watchers.wanted();
        let wanted_uris: BTreeSet<_> = wanted.resource_subscriptions.iter().cloned().collect();
        let unwanted: Vec<_> = subscribed.difference(&wanted_uris).cloned().collect();
        for uri in unwanted {
            // Whatever comes of it, the updates are not wanted any more.
            subscribed.remove(&uri);
            if let Err(error) = ask::<UnsubscribeResource>(link, &uri).await {
                tracing::debug!(endpoint = %link.endpoint, %uri, %error, "not unsubscribed");
            }
        }
        // Not before the server was told, or the next task's wishes would be undone.
        if wanted.is_empty() && link.watchers.retire() {
            return;
        }
        refused.retain(|uri| wanted_uris.contains(uri));

        let new =
            wanted_uris.iter().filter(|uri| !subscribed.contains(*uri) && !refused.contains(*uri));
        let new: Vec<String> = new.cloned().collect();
        if !declared.subscribe {
            refused.extend(new);
        } else if policy.is_due(Instant::now()) {
            let mut answers = stream::iter(new)
                .map(|uri| async { (ask::<SubscribeResource>(link, &uri).await, uri) })
                .buffer_unordered(AT_ONCE);
            let mut lost = None;
            while let Some((answer, uri)) = answers.next().await {
                match answer.map_err(|error| (is_refusal(&error), error)) {
                    Ok(()) => _ = subscribed.insert(uri),
                    Err((true, error)) => {
                        tracing::debug!(endpoint = %link.endpoint, %uri, %error, "not subscribed");
                        refused.insert(uri);
                    }
                    Err((false, error)) => lost = Some(error),
                }
            }
            match lost {
                None => policy.acknowledged(),
                Some(error) => {
                    tracing::debug!(endpoint = %link.endpoint, %error, "cannot subscribe now");
                    policy.ended(Ending::Broken, Duration::ZERO, Instant::now(), fraction());
                }
            }
        }
        let told = SubscriptionFilter {
            resource_subscriptions: subscribed.iter().cloned().collect(),
            ..declared.lists.clone()
        };
        link.watchers.cover(|coverage| {
            coverage.phase = Phase::Opening;
            coverage.refused = SubscriptionFilter {
                resource_subscriptions: refused.iter().cloned().collect(),
                ..wanted.missing_from(&told)
            };
            coverage.told = told;
        });
        let due = policy.due_at(Instant::now());
        tokio::select! {
            // The watchers hold the sending side.
            _ = interest.changed() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

async fn ask<M>(link: &Arc<Link>, uri: &str) -> Result<(), CallError>
where
    M: Method<Params = ResourceParams>,
{
    let mut options = CallOptions { total: Some(LIMIT), ..CallOptions::default() };
    let params = ResourceParams::new(uri);
    link.request(M::NAME, &params, Mirrored::default(), &mut options).await.map(drop)
}

/// Whether the server said no, rather than nothing.
fn is_refusal(error: &CallError) -> bool {
    matches!(error.kind(), CallErrorKind::Rejected(_))
}
