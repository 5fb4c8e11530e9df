//! What the client says of itself with every modern request: the start of `_meta`.

use std::{borrow::Cow, collections::BTreeMap};

use mcp_protocol::{
    capabilities::ClientCapabilities, implementation::Implementation, meta::RequestMeta,
    version::ProtocolVersion,
};

use crate::{ClientOptions, extension::Extensions, handlers::everything};

/// Texts without their closing brace, written once for each connection. Empty for legacy servers.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// For methods that no extension names.
    common: String,
    /// For methods that some extension names.
    by_method: BTreeMap<String, String>,
    /// What the texts are made of.
    speaker: Option<Box<Speaker>>,
}

#[derive(Debug)]
struct Speaker {
    version: ProtocolVersion,
    implementation: Implementation,
    capabilities: ClientCapabilities,
    extensions: Extensions,
}

impl Declared {
    pub(crate) fn modern(version: ProtocolVersion, options: &ClientOptions) -> Self {
        let speaker = Speaker {
            version,
            implementation: options.implementation.clone(),
            capabilities: options.handlers.capabilities(),
            extensions: options.extensions.clone(),
        };
        let methods = speaker.extensions.methods();
        let by_method = methods
            .map(|method| (method.to_owned(), speaker.text(method, &speaker.capabilities)))
            .collect();
        let common = speaker.text("", &speaker.capabilities);
        Self { common, by_method, speaker: Some(Box::new(speaker)) }
    }

    /// Everything that is said with any request, for telling clients apart.
    pub(crate) fn all(&self) -> String {
        self.by_method.values().fold(self.common.clone(), |all, one| all + one)
    }

    /// For a request whose questions, if any, the client's callbacks answer.
    pub(crate) fn by_handlers(&self, method: &str) -> &str {
        if self.by_method.is_empty() {
            return &self.common;
        }
        self.by_method.get(method).unwrap_or(&self.common)
    }

    /// For a request whose questions the caller answers: then all kinds can be answered.
    pub(crate) fn by_caller(&self, method: &str) -> Cow<'_, str> {
        let Some(speaker) = &self.speaker else { return Cow::Borrowed(&self.common) };
        Cow::Owned(speaker.text(method, &everything()))
    }

    /// For a request during which just this can be answered.
    pub(crate) fn with(&self, method: &str, capabilities: &ClientCapabilities) -> Cow<'_, str> {
        match &self.speaker {
            Some(speaker) => Cow::Owned(speaker.text(method, capabilities)),
            None => Cow::Borrowed(&self.common),
        }
    }

    /// For a request of somebody else: also its extensions are those of whoever makes it.
    pub(crate) fn exactly(&self, capabilities: &ClientCapabilities) -> Cow<'_, str> {
        match &self.speaker {
            Some(speaker) => Cow::Owned(speaker.saying(capabilities.clone())),
            None => Cow::Borrowed(&self.common),
        }
    }
}

impl Speaker {
    fn text(&self, method: &str, capabilities: &ClientCapabilities) -> String {
        let mut capabilities = capabilities.clone();
        self.extensions.declare_on(&mut capabilities, method);
        self.saying(capabilities)
    }

    fn saying(&self, capabilities: ClientCapabilities) -> String {
        let meta = RequestMeta::modern(self.version.clone(), capabilities)
            .client_info(self.implementation.clone());
        let mut text = serde_json::json!(meta).to_string();
        text.pop();
        text
    }
}
