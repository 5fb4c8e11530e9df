//! Resources: listing, reading, watching them.

use mcp_protocol::{
    cache_hint::CacheHint,
    list::SkippedItem,
    method::Method,
    pagination::Cursor,
    resources::{
        self, ListResourceTemplates, ListResourceTemplatesResult, ListResources,
        ListResourcesResult, ReadResourceParams, ReadResourceResult, Resource, ResourceBody,
        ResourceParams, ResourceTemplate, SubscribeResource, UnsubscribeResource,
    },
};

use tokio::time::Instant;

use crate::{
    Cached, CallError, Client, List, Page, PageCursor, Request,
    cache::{Fetched, Subject, Wish},
    input_required::{Ended, rounds, unexpected},
    request::{Flow, Sending},
};

/// Reading a resource, sent when awaited.
pub type ReadResource<'a> = Request<'a, resources::ReadResource, Reading>;

impl Client {
    /// Lists the server's resources, all pages of them.
    pub fn list_resources(&self) -> List<'_, ListResources> {
        List::new(self)
    }

    /// Lists the server's resource templates, all pages of them.
    pub fn list_resource_templates(&self) -> List<'_, ListResourceTemplates> {
        List::new(self)
    }

    /// Reads a resource. It need not be in any list.
    ///
    /// # Errors
    /// As any call; [`CallError::is_resource_not_found`] tells that there is no such resource.
    pub fn read_resource(&self, uri: impl Into<String>) -> ReadResource<'_> {
        Request::new(self, ReadResourceParams::new(uri))
    }

    /// Asks a legacy server to announce changes of a resource by
    /// `notifications/resources/updated`. [`watch_resource`](Self::watch_resource) does it for
    /// servers of either era.
    pub fn subscribe_resource(&self, uri: impl Into<String>) -> Request<'_, SubscribeResource> {
        Request::new(self, ResourceParams::new(uri))
    }

    /// Ends [`subscribe_resource`](Self::subscribe_resource).
    pub fn unsubscribe_resource(&self, uri: impl Into<String>) -> Request<'_, UnsubscribeResource> {
        Request::new(self, ResourceParams::new(uri))
    }
}

impl ReadResource<'_> {
    /// The contents, shared with the cache rather than copied, and where they came from. When the
    /// server cannot be asked, old contents are better than none; [`Cached::source`] tells.
    ///
    /// # Errors
    /// As any call, if there are no old contents to give.
    pub async fn cached(self) -> Result<Cached<ReadResourceResult>, CallError> {
        let mut sending = self.into_sending()?;
        if sending.options.wish == Wish::Fresh {
            sending.options.wish = Wish::FreshOrStale;
        }
        find(&mut sending).await
    }

    /// Asks the server even if the cache has the contents; what it says is kept in their place.
    pub fn anew(mut self) -> Self {
        self.options_mut().wish = Wish::Anew;
        self
    }
}

/// The flow of reading: out of the cache if it may be, else through rounds of input.
#[derive(Debug)]
pub enum Reading {}

impl Flow<resources::ReadResource> for Reading {
    type Output = ReadResourceResult;

    async fn run(
        mut request: Sending<'_, resources::ReadResource>,
    ) -> Result<ReadResourceResult, CallError> {
        let options = &request.options;
        let is_asked = options.by_caller || options.answering.is_some();
        if is_asked || !request.client.link().is_cached() {
            return fetch(&mut request).await.map(|fetched| fetched.value);
        }
        find(&mut request).await.map(Cached::into_owned)
    }
}

async fn find(
    request: &mut Sending<'_, resources::ReadResource>,
) -> Result<Cached<ReadResourceResult>, CallError> {
    let subject = Subject::resource(resources::ReadResource::NAME, &request.params.uri);
    let (client, wish) = (request.client, request.options.wish);
    client.link().cached(subject, wish, |_| {}, fetch(request)).await
}

async fn fetch(
    request: &mut Sending<'_, resources::ReadResource>,
) -> Result<Fetched<ReadResourceResult>, CallError> {
    match rounds(request).await? {
        Ended::Complete(value) => Ok(Fetched {
            bytes: value.contents.iter().map(size).sum(),
            received: Instant::now(),
            hint: value.ttl_ms.map(|_| value.cache_hint()),
            is_pure: !request.options.took_rounds,
            value,
        }),
        Ended::Task(_) => {
            let method = resources::ReadResource::NAME;
            Err(unexpected(request.client.link(), method, "task"))
        }
    }
}

fn size(contents: &resources::ResourceContents) -> usize {
    let body = match &contents.body {
        ResourceBody::Text(text) | ResourceBody::Blob(text) => text.len(),
    };
    body + contents.uri.len()
}

impl Page for ListResourcesResult {
    type Item = Resource;

    fn into_parts(self) -> (Vec<Resource>, Vec<SkippedItem>, Option<Cursor>) {
        (self.resources, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        self.ttl_ms.map(|_| self.cache_hint())
    }
}

impl PageCursor for ListResourcesResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}

impl Page for ListResourceTemplatesResult {
    type Item = ResourceTemplate;

    fn into_parts(self) -> (Vec<ResourceTemplate>, Vec<SkippedItem>, Option<Cursor>) {
        (self.resource_templates, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> Option<CacheHint> {
        self.ttl_ms.map(|_| self.cache_hint())
    }
}

impl PageCursor for ListResourceTemplatesResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
