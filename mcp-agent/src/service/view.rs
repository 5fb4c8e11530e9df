//! What there is for one principal.

use mcp_client::{Server, config::ServerConfig};

use super::access::{Principal, Role};

/// The servers, tools and the rest that are there for somebody; all else does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) principal: Principal,
    /// The one server that is meant, under its own names; all when `None`.
    pub(super) only: Option<String>,
}

impl View {
    pub(super) fn new(principal: Principal, only: Option<String>) -> Self {
        Self { principal, only }
    }

    /// Of whoever runs the service.
    pub(super) fn of_owner() -> Self {
        Self::new(Principal::owner(), None)
    }

    /// Whether a server is there at all.
    pub(super) fn sees(&self, server: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == server)
            && self.principal.rules().sees(server)
    }

    /// Whether a server is there with all of its tools.
    pub(super) fn sees_all(&self, server: &str) -> bool {
        self.sees(server) && self.principal.rules().sees_all(server)
    }

    /// Whether a tool is there, and offered by the configuration of its server.
    pub(super) fn offers(&self, server: &Server, tool: &str) -> bool {
        self.offers_as(server.name(), server.config().as_deref(), tool)
    }

    /// The same, where the configuration is at hand.
    pub(super) fn offers_as(
        &self,
        server: &str,
        config: Option<&ServerConfig>,
        tool: &str,
    ) -> bool {
        self.has_tool(server, tool) && config.is_none_or(|config| config.offers(tool))
    }

    /// Whether somebody may call a tool, if its server offers it.
    pub(super) fn has_tool(&self, server: &str, tool: &str) -> bool {
        self.sees(server) && self.principal.rules().may_call(server, tool)
    }

    /// Whether a server's resources and prompts are there.
    pub(super) fn has_contents(&self, server: &str) -> bool {
        self.sees(server) && self.principal.rules().may_use(server)
    }

    /// Whether more may be done than looking at lists.
    pub(super) fn may_act(&self) -> bool {
        self.principal.is(Role::User)
    }
}
