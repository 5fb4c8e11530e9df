//! Optional parts of the protocol, added from outside: what an extension is to the client.

use std::{fmt, sync::Arc};

use mcp_protocol::{
    capabilities::ClientCapabilities, extensions::InvalidExtensionId, jsonrpc::NotificationMessage,
    raw::RawJson,
};
use mcp_transport::BoxFuture;

use crate::{Asker, CallError, Client};

/// An optional part of the protocol that this client takes part in.
///
/// Nothing is declared unless the extension is registered with
/// [`ClientBuilder::extension`](crate::ClientBuilder::extension). Its methods are types that
/// implement [`Method`](mcp_protocol::method::Method), called by
/// [`Client::request`].
///
/// ```
/// use mcp_client::{Client, Extension};
///
/// #[derive(Debug)]
/// struct Search;
///
/// impl Extension for Search {
///     fn id(&self) -> &str {
///         "com.example/search"
///     }
///     fn methods(&self) -> &[&str] {
///         &["com.example/search", "tools/call"]
///     }
/// }
///
/// let builder = Client::http("https://example.com/mcp").extension(Search);
/// # drop(builder);
/// ```
pub trait Extension: fmt::Debug + Send + Sync + 'static {
    /// A prefix, a slash and a name, such as `com.example/search`.
    fn id(&self) -> &str;

    /// What to say beside the id: a JSON object.
    fn settings(&self) -> RawJson {
        serde_json::json!({}).into()
    }

    /// The requests on which the extension is declared: its own methods and those that it extends.
    /// None means all.
    fn methods(&self) -> &[&str] {
        &[]
    }

    /// Whether it is also declared to servers of revisions up to 2025-11-25, in `initialize`.
    fn is_legacy(&self) -> bool {
        true
    }

    /// The values of `resultType` that are results of this extension.
    fn result_types(&self) -> &[&str] {
        &[]
    }

    /// Carries a result of one of [`result_types`](Self::result_types) on to the result that the
    /// method promises.
    ///
    /// # Errors
    /// There will be no such result.
    fn carry_on<'a>(
        &'a self,
        result: ExtendedResult<'a>,
    ) -> BoxFuture<'a, Result<RawJson, CallError>> {
        Box::pin(async move { Err(result.unexpected()) })
    }

    /// Headers beside those of the protocol, for requests over modern HTTP: names and values.
    fn headers(&self, _method: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Hears a notification and says whether it is one of this extension; if so, nobody else hears
    /// it. Runs on the task that reads: it must not block.
    fn on_notification(&self, _notification: &NotificationMessage, _asker: &Asker) -> bool {
        false
    }
}

/// A result that only an extension understands.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExtendedResult<'a> {
    /// The client that has it, for further requests.
    pub client: &'a Client,
    /// The method that was answered so.
    pub method: &'static str,
    /// The value of `resultType`.
    pub result_type: &'a str,
    /// The whole result.
    pub result: RawJson,
}

impl ExtendedResult<'_> {
    /// The error for a result that cannot be carried on.
    pub fn unexpected(&self) -> CallError {
        let kind = crate::InputError::UnexpectedResultType(self.result_type.to_owned());
        self.client.link().error(crate::CallErrorKind::Input(kind), self.method)
    }
}

/// The extensions of one client, in the order of their registration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions(Vec<Arc<dyn Extension>>);

impl Extensions {
    /// Adds an extension, or replaces the one with the same id.
    pub(crate) fn add(&mut self, extension: Arc<dyn Extension>) {
        match self.0.iter_mut().find(|known| known.id() == extension.id()) {
            Some(known) => *known = extension,
            None => self.0.push(extension),
        }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|extension| extension.id() == id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every method that some extension names.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|extension| extension.methods()).copied()
    }

    /// Whether all ids have the form that the protocol wants.
    pub(crate) fn check(&self) -> Result<(), InvalidExtensionId> {
        let mut scratch = ClientCapabilities::default().extensions;
        self.0.iter().try_for_each(|extension| scratch.enable(extension.id()))
    }

    /// Adds to the capabilities what is declared on a request of this method.
    pub(crate) fn declare_on(&self, capabilities: &mut ClientCapabilities, method: &str) {
        self.declare(capabilities, |extension| {
            extension.methods().is_empty() || extension.methods().contains(&method)
        });
    }

    /// Adds to the capabilities what is declared in `initialize`.
    pub(crate) fn declare_legacy(&self, capabilities: &mut ClientCapabilities) {
        self.declare(capabilities, Extension::is_legacy);
    }

    fn declare(
        &self,
        capabilities: &mut ClientCapabilities,
        when: impl Fn(&dyn Extension) -> bool,
    ) {
        for extension in self.0.iter().filter(|extension| when(&***extension)) {
            capabilities.extensions.0.insert(extension.id(), extension.settings());
        }
    }

    /// The extension that understands results of a type.
    pub(crate) fn of_result_type(&self, result_type: &str) -> Option<&Arc<dyn Extension>> {
        self.0.iter().find(|extension| extension.result_types().contains(&result_type))
    }

    pub(crate) fn headers(&self, method: &str) -> impl Iterator<Item = (String, String)> {
        self.0.iter().flat_map(move |extension| extension.headers(method))
    }

    /// Whether an extension took the notification.
    pub(crate) fn on_notification(
        &self,
        notification: &NotificationMessage,
        asker: &Asker,
    ) -> bool {
        self.0.iter().any(|extension| extension.on_notification(notification, asker))
    }
}
