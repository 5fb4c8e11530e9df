//! Lists that come in pages.

use std::{collections::HashSet, fmt, future::IntoFuture, time::Duration};

use futures_core::Stream;
use futures_util::{TryStreamExt, stream};
use mcp_protocol::{
    cache_hint::CacheHint,
    list::SkippedItem,
    method::Method,
    pagination::{Cursor, PaginatedParams},
};
use mcp_transport::BoxFuture;

use crate::{CallError, CallErrorKind, Client};

/// More pages than this, and the list is taken for endless.
const MAX_PAGES: usize = 1_000;

/// One page of a list.
pub trait Page {
    /// What is listed.
    type Item;
    /// The items, those that could not be read, and where the next page starts.
    fn into_parts(self) -> (Vec<Self::Item>, Vec<SkippedItem>, Option<Cursor>);

    /// What the server says about reusing the page.
    fn cache_hint(&self) -> CacheHint;

    /// Lets the client learn from the page, and the page lose what the client must not use.
    fn learn(&mut self, _client: &Client) {}
}

/// All items of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing<T> {
    /// The items, in the server's order.
    pub items: Vec<T>,
    /// Items that could not be read, with the reason. They hide no others.
    pub skipped: Vec<SkippedItem>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), skipped: Vec::new() }
    }
}

/// A list to be fetched: await it for everything, or take [`pages`](Self::pages).
#[must_use = "nothing is sent before the list is awaited"]
pub struct List<'a, M> {
    client: &'a Client,
    timeout: Option<Duration>,
    max_pages: usize,
    method: std::marker::PhantomData<fn() -> M>,
}

impl<'a, M> List<'a, M>
where
    M: Method<Params = PaginatedParams> + 'a,
    M::Output: Page + Send + 'a,
    <M::Output as Page>::Item: Send,
{
    pub(crate) fn new(client: &'a Client) -> Self {
        let timeout = client.0.call_timeout;
        Self { client, timeout, max_pages: MAX_PAGES, method: std::marker::PhantomData }
    }

    /// The limit for each page; see [`Request::timeout`](crate::Request::timeout).
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeout = limit.into();
        self
    }

    /// How many pages to fetch at most before the list is taken for endless; 1,000 by default.
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.max_pages = pages;
        self
    }

    /// The pages as they come.
    ///
    /// # Errors
    /// Beside those of any call: a cursor that came before, or more pages than
    /// [`max_pages`](Self::max_pages), give [`CallErrorKind::Endless`].
    pub fn pages(self) -> impl Stream<Item = Result<M::Output, CallError>> + Send + 'a
    where
        M::Output: PageCursor,
    {
        let start = (self, Some(None::<Cursor>), HashSet::new());
        stream::try_unfold(start, |(list, next, mut seen)| async move {
            let Some(cursor) = next else { return Ok(None) };
            let mut page = list.page(cursor).await?;
            page.learn(list.client);
            let next = page.next_cursor().cloned();
            if let Some(cursor) = &next {
                list.check(cursor, &mut seen)?;
            }
            Ok(Some((page, (list, next.map(Some), seen))))
        })
    }

    fn page(&self, cursor: Option<Cursor>) -> crate::Request<'a, M> {
        self.client.request::<M>(PaginatedParams { cursor, meta: None }).timeout(self.timeout)
    }

    fn check(&self, cursor: &Cursor, seen: &mut HashSet<Cursor>) -> Result<(), CallError> {
        let reason = if !seen.insert(cursor.clone()) {
            "a cursor came twice".to_owned()
        } else if seen.len() >= self.max_pages {
            format!("it has more than {} pages", self.max_pages)
        } else {
            return Ok(());
        };
        Err(self.client.link().error(CallErrorKind::Endless { reason }, M::NAME))
    }
}

/// Where a page's successor starts.
pub trait PageCursor {
    /// `None` on the last page.
    fn next_cursor(&self) -> Option<&Cursor>;
}

impl<'a, M> IntoFuture for List<'a, M>
where
    M: Method<Params = PaginatedParams> + 'a,
    M::Output: Page + PageCursor + Send + 'a,
    <M::Output as Page>::Item: Send,
{
    type Output = Result<Listing<<M::Output as Page>::Item>, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut listing = Listing::default();
            let mut pages = std::pin::pin!(self.pages());
            while let Some(page) = pages.try_next().await? {
                let (items, skipped, _) = page.into_parts();
                if listing.items.is_empty() {
                    listing.items = items;
                } else {
                    listing.items.extend(items);
                }
                listing.skipped.extend(skipped);
            }
            Ok(listing)
        })
    }
}

impl<M> fmt::Debug for List<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("max_pages", &self.max_pages).finish_non_exhaustive()
    }
}
