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
use mcp_transport::{BoxFuture, transport::Mirrored};
use tokio::time::Instant;

use crate::{
    Cached, CallError, CallErrorKind, Client,
    cache::{Fetched, Subject, Wish},
    link::CallOptions,
};

/// More pages than this, and the list is taken for endless.
const MAX_PAGES: usize = 1_000;

/// One page of a list.
pub trait Page {
    /// What is listed.
    type Item: Clone + Send + Sync + 'static;
    /// The items, those that could not be read, and where the next page starts.
    fn into_parts(self) -> (Vec<Self::Item>, Vec<SkippedItem>, Option<Cursor>);

    /// What the server says about reusing the page, if it says anything.
    fn cache_hint(&self) -> Option<CacheHint>;

    /// Lets the client learn from the page, and the page lose what the client must not use.
    fn learn(&mut self, _client: &Client) {}

    /// Lets the client learn from items that another client has fetched and learnt from.
    fn recall(_items: &[Self::Item], _client: &Client) {}
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
    wish: Wish,
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
        let (max_pages, wish) = (MAX_PAGES, Wish::Fresh);
        Self { client, timeout, max_pages, wish, method: std::marker::PhantomData }
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

    /// Asks the server even if the cache has the list; what it says is kept in its place.
    pub fn anew(mut self) -> Self {
        self.wish = Wish::Anew;
        self
    }

    /// The pages as they come, always from the server.
    ///
    /// # Errors
    /// Beside those of any call: a cursor that came before, or more pages than
    /// [`max_pages`](Self::max_pages), give [`CallErrorKind::Endless`].
    pub fn pages(self) -> impl Stream<Item = Result<M::Output, CallError>> + Send + 'a
    where
        M::Output: PageCursor,
    {
        self.arrivals().map_ok(|arrival| arrival.page)
    }

    fn arrivals(self) -> impl Stream<Item = Result<Arrival<M::Output>, CallError>> + Send + 'a
    where
        M::Output: PageCursor,
    {
        let start = (self, Some(None::<Cursor>), HashSet::new());
        stream::try_unfold(start, |(list, next, mut seen)| async move {
            let Some(cursor) = next else { return Ok(None) };
            let mut arrival = list.page(cursor).await?;
            arrival.page.learn(list.client);
            let next = arrival.page.next_cursor().cloned();
            if let Some(cursor) = &next {
                list.check(cursor, &mut seen)?;
            }
            Ok(Some((arrival, (list, next.map(Some), seen))))
        })
    }

    async fn page(&self, cursor: Option<Cursor>) -> Result<Arrival<M::Output>, CallError> {
        let params = PaginatedParams { cursor, meta: None };
        let mut options = CallOptions { idle: self.timeout, ..CallOptions::default() };
        let link = self.client.link();
        let none = Mirrored::default;
        let text = match link.request(M::NAME, &params, none(), &mut options).await {
            Err(refusal) if link.is_spoken_after_all(&refusal) => {
                Box::pin(link.request(M::NAME, &params, none(), &mut options)).await?
            }
            outcome => outcome?,
        };
        let page = M::decode(&text)
            .map_err(|error| link.error(CallErrorKind::Undecodable(error), M::NAME))?;
        Ok(Arrival { page, bytes: text.len(), received: Instant::now() })
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

/// A page as it arrived.
struct Arrival<P> {
    page: P,
    /// Of its text.
    bytes: usize,
    received: Instant,
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
            if self.client.link().is_cached() {
                return self.find().await.map(Cached::into_owned);
            }
            self.fetch().await.map(|fetched| fetched.value)
        })
    }
}

impl<'a, M> List<'a, M>
where
    M: Method<Params = PaginatedParams> + 'a,
    M::Output: Page + PageCursor + Send + 'a,
{
    /// The list, shared with the cache rather than copied, and where it came from. When the server
    /// cannot be asked, an old list is better than none; [`Cached::source`] tells.
    ///
    /// # Errors
    /// As any call, if there is no old list to give.
    pub async fn cached(mut self) -> Result<ListedItems<M>, CallError> {
        if self.wish == Wish::Fresh {
            self.wish = Wish::FreshOrStale;
        }
        self.find().await
    }

    async fn find(self) -> Result<ListedItems<M>, CallError> {
        let (client, wish) = (self.client, self.wish);
        let learn = |listing: &Listing<_>| M::Output::recall(&listing.items, client);
        client.link().cached(Subject::list(M::NAME), wish, learn, self.fetch()).await
    }

    /// All pages. A list that changes meanwhile may make its cursors void: then once more from the
    /// beginning.
    async fn fetch(self) -> Result<Fetched<Listing<<M::Output as Page>::Item>>, CallError> {
        let again = Self { ..self };
        let mut has_begun = false;
        match gather(self.arrivals(), &mut has_begun).await {
            Err(error) if has_begun && error.error_object().is_some() => {
                tracing::debug!(%error, "the list is asked for from its beginning");
                gather(again.arrivals(), &mut has_begun).await
            }
            outcome => outcome,
        }
    }
}

/// What a list of `M` gives.
type ListedItems<M> = Cached<Listing<<<M as Method>::Output as Page>::Item>>;

/// Joins pages to one list, which is as good as the page that is good for the shortest time.
async fn gather<P: Page>(
    arrivals: impl Stream<Item = Result<Arrival<P>, CallError>>,
    has_begun: &mut bool,
) -> Result<Fetched<Listing<P::Item>>, CallError> {
    let mut value = Listing::default();
    let (mut bytes, mut received, mut hint) = (0, None, None);
    let mut arrivals = std::pin::pin!(arrivals);
    while let Some(arrival) = arrivals.try_next().await? {
        let is_first = received.is_none();
        let since = *received.get_or_insert(arrival.received);
        bytes += arrival.bytes;
        let page_hint = arrival.page.cache_hint().map(|hint| CacheHint {
            fresh_for: (arrival.received - since).saturating_add(hint.fresh_for),
            ..hint
        });
        hint = match (hint, page_hint) {
            (Some(all), Some(page)) => Some(weaker(all, page)),
            (None, page) if is_first => page,
            _ => None,
        };
        *has_begun = true;
        let (items, skipped, _) = arrival.page.into_parts();
        if value.items.is_empty() {
            value.items = items;
        } else {
            value.items.extend(items);
        }
        value.skipped.extend(skipped);
    }
    let received = received.unwrap_or_else(Instant::now);
    Ok(Fetched { value, bytes, received, hint, is_pure: true })
}

fn weaker(one: CacheHint, other: CacheHint) -> CacheHint {
    CacheHint {
        fresh_for: one.fresh_for.min(other.fresh_for),
        shareable: one.shareable && other.shareable,
    }
}

impl<M> fmt::Debug for List<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("max_pages", &self.max_pages).finish_non_exhaustive()
    }
}
