//! Resources: listing, reading, watching them.

use mcp_protocol::{
    cache_hint::CacheHint,
    list::SkippedItem,
    pagination::Cursor,
    resources::{
        self, ListResourceTemplates, ListResourceTemplatesResult, ListResources,
        ListResourcesResult, ReadResourceParams, Resource, ResourceParams, ResourceTemplate,
        SubscribeResource, UnsubscribeResource,
    },
};

use crate::{Client, List, Page, PageCursor, Request, input_required::Rounds};

/// Reading a resource, sent when awaited.
pub type ReadResource<'a> = Request<'a, resources::ReadResource, Rounds>;

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
    /// As any call; a resource that does not exist is refused with code -32602 or, by older
    /// servers, -32002.
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

impl Page for ListResourcesResult {
    type Item = Resource;

    fn into_parts(self) -> (Vec<Resource>, Vec<SkippedItem>, Option<Cursor>) {
        (self.resources, self.skipped, self.next_cursor)
    }

    fn cache_hint(&self) -> CacheHint {
        self.cache_hint()
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

    fn cache_hint(&self) -> CacheHint {
        self.cache_hint()
    }
}

impl PageCursor for ListResourceTemplatesResult {
    fn next_cursor(&self) -> Option<&Cursor> {
        self.next_cursor.as_ref()
    }
}
