//! Changes of a modern server: one `subscriptions/listen` stream for all watchers.

use std::{future::pending, sync::Arc, time::Duration};

use mcp_protocol::{jsonrpc::NotificationMessage, subscriptions::SubscriptionFilter};
use mcp_transport::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::{
    backoff::{Ending, Relisten},
    change::{Change, Concern},
    coverage::Phase,
    stream::{ChangeStream, Heard},
};
use crate::{link::Link, random::fraction};

/// Keeps a stream open that tells everything that is wanted, until nothing is or the connection is
/// over. When the wish changes, the old stream is let go only after the new one is acknowledged.
pub(super) async fn run(link: &Arc<Link>) {
    let mut interest = link.watchers.interest();
    let mut policy = Relisten::default();
    let mut current: Option<ChangeStream> = None;
    let mut opening: Option<BoxFuture<'_, Result<ChangeStream, Ending>>> = None;
    // Whether changes may have been missed since the last stream.
    let mut missed = false;
    loop {
        interest.borrow_and_update();
        if link.transport.is_closed() {
            link.watchers.close();
        }
        if link.watchers.retire() {
            return;
        }
        let wanted = link.watchers.wanted();
        let is_right = current.as_ref().is_some_and(|stream| stream.asked == wanted);
        if opening.is_none() && !is_right && policy.is_due(Instant::now()) {
            opening = Some(Box::pin(open(link, wanted.clone())));
        }
        cover(link, &wanted, current.as_ref(), &policy, missed);
        let due = policy.due_at(Instant::now()).filter(|_| opening.is_none() && !is_right);
        tokio::select! {
            // The watchers hold the sending side.
            _ = interest.changed() => policy.wish_changed(),
            opened = finished(&mut opening) => {
                opening = None;
                match opened {
                    Ok(stream) => {
                        policy.acknowledged();
                        current = Some(stream);
                        if std::mem::take(&mut missed) {
                            link.announce(&Change::Gap);
                        }
                    }
                    Err(ending) => {
                        policy.ended(ending, Duration::ZERO, Instant::now(), fraction());
                    }
                }
            }
            heard = next(&mut current, link) => match heard {
                (Heard::Notification(notification), asked) => tell(link, asked, notification),
                (Heard::Acknowledged(_), _) => {}
                (Heard::Ended(ending), _) => {
                    let lived = current.take().map_or(Duration::ZERO, |stream| stream.age());
                    policy.ended(ending, lived, Instant::now(), fraction());
                    missed = true;
                }
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

async fn open(link: &Arc<Link>, asked: SubscriptionFilter) -> Result<ChangeStream, Ending> {
    let wanted = asked.clone();
    ChangeStream::open(link, asked, |notification| tell(link, &wanted, notification)).await
}

async fn finished<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn next<'s>(
    stream: &'s mut Option<ChangeStream>,
    link: &Link,
) -> (Heard, &'s SubscriptionFilter) {
    match stream {
        Some(stream) => (stream.next(link).await, &stream.asked),
        None => pending().await,
    }
}

/// Passes a notification on, if it was asked for.
fn tell(link: &Link, asked: &SubscriptionFilter, notification: NotificationMessage) {
    match link.change_of(&notification) {
        Some(change) if change.concerns(asked) == Concern::No => {
            tracing::debug!(endpoint = %link.endpoint, ?change, "ignored: nobody asked for it");
        }
        Some(change) => link.announce(&change),
        None => {}
    }
    link.on_notification(notification);
}

fn cover(
    link: &Link,
    wanted: &SubscriptionFilter,
    current: Option<&ChangeStream>,
    policy: &Relisten,
    missed: bool,
) {
    let (told, mut refused) = current.map_or_else(Default::default, |stream| {
        (stream.granted.clone(), stream.asked.missing_from(&stream.granted))
    });
    if policy.is_hopeless() {
        refused = wanted.missing_from(&told);
    }
    link.watchers.cover(|coverage| {
        coverage.phase = if missed { Phase::Interrupted } else { Phase::Opening };
        coverage.told = told;
        coverage.refused = refused;
    });
}
