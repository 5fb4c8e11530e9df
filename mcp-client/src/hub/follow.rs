//! Keeps the lists of a connected server up to date.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use futures_util::future::{OptionFuture, join4};
use mcp_protocol::{
    method::Method, pagination::PaginatedParams, subscriptions::SubscriptionFilter,
};
use tokio::time::{sleep, timeout};

use super::{
    CatalogLists, HubChange,
    catalog::Answers,
    slot::{Slot, chain},
};
use crate::{Change, Client, List, Listing, Page, PageCursor, Watch, config::glob_matches};

/// How long the server may take to say whether it tells of changes, before it is asked for its
/// lists all the same.
const WATCH_LIMIT: Duration = Duration::from_secs(2);
/// The first wait before a list that could not be had is asked for again; the next is twice that.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// Asks for the wanted lists, and again whenever they change; never ends.
pub(super) async fn follow(slot: &Slot, client: &Client) -> Infallible {
    let mut wishes = slot.board.lists.subscribe();
    loop {
        let wanted = *wishes.borrow_and_update();
        let keeping = async {
            if wanted.is_empty() { pending().await } else { keep(slot, client, wanted).await }
        };
        tokio::select! {
            never = keeping => match never {},
            changed = wishes.changed() => if changed.is_err() {
                return pending().await;
            },
        }
    }
}

/// Keeps these lists.
async fn keep(slot: &Slot, client: &Client, wanted: CatalogLists) -> Infallible {
    // The watch comes first, so that no change is missed in between.
    let mut changes = client.watch(filter(client, wanted));
    // A server that does not say is asked all the same.
    let _ = timeout(WATCH_LIMIT, changes.ready()).await;
    let mut resources: Option<Watch> = None;
    let mut stale = wanted;
    let mut wait = FIRST_RETRY;
    loop {
        let failed = if stale.is_empty() {
            CatalogLists::default()
        } else {
            let (answers, failed) = ask(client, stale).await;
            if let Some(Ok(listing)) = &answers.resources {
                let uris = listing.items.iter().map(|resource| resource.uri.as_str());
                watch_resources(slot, client, uris, &mut resources).await;
            }
            slot.take_lists(stale, answers);
            failed
        };
        wait = if failed.is_empty() { FIRST_RETRY } else { (wait * 2).min(LONGEST_RETRY) };
        stale = tokio::select! {
            Some(change) = changes.next() => match change {
                Change::Tools => CatalogLists::TOOLS,
                Change::Prompts => CatalogLists { prompts: true, ..CatalogLists::default() },
                Change::Resources => CatalogLists { resources: true, ..CatalogLists::default() },
                Change::Gap => wanted,
                _ => CatalogLists::default(),
            },
            Some(change) = next(&mut resources) => {
                tell(slot, change, resources.as_ref());
                CatalogLists::default()
            }
            () = sleep(wait), if !failed.is_empty() => failed,
            else => return pending().await,
        }
        .and(failed);
    }
}

fn filter(client: &Client, wanted: CatalogLists) -> SubscriptionFilter {
    let has = &client.server().capabilities;
    SubscriptionFilter {
        tools_list_changed: wanted.tools && has.tools.is_some(),
        prompts_list_changed: wanted.prompts && has.prompts.is_some(),
        resources_list_changed: wanted.resources && has.resources.is_some(),
        ..SubscriptionFilter::default()
    }
}

/// Asks for lists, side by side. Gives the answers, and which lists to ask for again later.
pub(super) async fn ask(client: &Client, wanted: CatalogLists) -> (Answers, CatalogLists) {
    let has = &client.server().capabilities;
    let prompts = wanted.prompts && has.prompts.is_some();
    let resources = wanted.resources && has.resources.is_some();
    let (tools, prompts, resources, templates) = join4(
        // Some servers have tools and do not say so.
        only_if(wanted.tools, one(client.list_tools(), has.tools.is_some())),
        only_if(prompts, one(client.list_prompts(), true)),
        only_if(resources, one(client.list_resources(), true)),
        only_if(resources, one(client.list_resource_templates(), false)),
    )
    .await;
    let again = CatalogLists {
        tools: tools.as_ref().is_some_and(Asked::is_lost),
        prompts: prompts.as_ref().is_some_and(Asked::is_lost),
        resources: resources.as_ref().is_some_and(Asked::is_lost)
            || templates.as_ref().is_some_and(Asked::is_lost),
    };
    let answers = Answers {
        tools: tools.map(Asked::answer),
        prompts: prompts.map(Asked::answer),
        resources: resources.map(Asked::answer),
        resource_templates: templates.map(Asked::answer),
    };
    (answers, again)
}

fn only_if<F: Future>(condition: bool, future: F) -> OptionFuture<F> {
    condition.then_some(future).into()
}

/// What came of asking for a list.
enum Asked<T> {
    Answered(Result<Listing<T>, Arc<str>>),
    /// The server could not be asked.
    Lost(Arc<str>),
}

impl<T> Asked<T> {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    fn answer(self) -> Result<Listing<T>, Arc<str>> {
        match self {
            Self::Answered(answer) => answer,
            Self::Lost(reason) => Err(reason),
        }
    }
}

async fn one<M>(list: List<'_, M>, must_be: bool) -> Asked<<M::Output as Page>::Item>
where
    M: Method<Params = PaginatedParams>,
    M::Output: Page + PageCursor + Send,
    <M::Output as Page>::Item: Send,
{
    match list.await {
        Ok(listing) => Asked::Answered(Ok(listing)),
        // A server that does not say that it has them may refuse to list them.
        Err(error) if error.is_answer() && !must_be => Asked::Answered(Ok(Listing::default())),
        Err(error) if error.is_answer() => Asked::Answered(Err(chain(&error).into())),
        Err(error) => Asked::Lost(chain(&error).into()),
    }
}

/// Watches the resources that the configuration names, as far as the server lists them.
async fn watch_resources(
    slot: &Slot,
    client: &Client,
    listed: impl Iterator<Item = &str>,
    watch: &mut Option<Watch>,
) {
    let config = slot.config.now();
    let patterns = config.as_ref().map_or(&[][..], |config| &config.resources);
    let named = |uri: &&str| patterns.iter().any(|pattern| glob_matches(pattern, uri));
    let uris: Vec<_> = listed.filter(named).map(str::to_owned).collect();
    let is_first = watch.is_none();
    if watch.as_ref().is_some_and(|watch| watch.wanted().resource_subscriptions == uris) {
        return;
    }
    *watch = None;
    if uris.is_empty() {
        return;
    }
    let next = watch.insert(client.watch(SubscriptionFilter {
        resource_subscriptions: uris,
        ..SubscriptionFilter::default()
    }));
    // A server that does not say whether it tells is used all the same.
    let _ = timeout(WATCH_LIMIT, next.ready()).await;
    if is_first && slot.was_up_before() {
        tell(slot, Change::Gap, Some(next));
    }
}

async fn next(watch: &mut Option<Watch>) -> Option<Change> {
    match watch {
        Some(watch) => watch.next().await,
        None => None,
    }
}

fn tell(slot: &Slot, change: Change, watch: Option<&Watch>) {
    match change {
        Change::Resource(uri) => slot.tell(HubChange::Resource(uri)),
        // Each of them may have changed.
        Change::Gap => {
            for uri in watch.iter().flat_map(|watch| &watch.wanted().resource_subscriptions) {
                slot.tell(HubChange::Resource(uri.as_str().into()));
            }
        }
        _ => {}
    }
}
