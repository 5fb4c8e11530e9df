//! What those need who tell clients of a login: the same wish again, and a tool by which a model can
//! have its person log in before the tools of a server are known.

use mcp_client::{Server, ServerState};
use mcp_protocol::tools::Tool;
use serde_json::json;

use super::{Logins, wanted::Wanted, wants_login};
use crate::{
    caller::LoginRequired,
    service::{access::Principal, view::View},
};

impl Logins {
    pub(super) fn read(&self, id: &str) -> Option<Wanted> {
        Wanted::open(self.0.keys.as_ref()?, id)
    }

    /// The wish with this id once more, while it is good and if it is this principal's.
    pub(in crate::service) fn again(
        &self,
        id: &str,
        principal: &Principal,
    ) -> Option<LoginRequired> {
        let wanted = self.read(id).filter(|wanted| wanted.is_for(principal))?;
        let url = format!("{}/connect/{id}", self.0.place.base()?);
        let login = LoginRequired::new(wanted.server, url, id);
        Some(if wanted.scopes.is_empty() { login } else { login.for_more() })
    }

    /// Whether two wishes are for the same: who was told of one need not be told of the other.
    pub(in crate::service) fn are_alike(&self, one: &str, other: &str) -> bool {
        if one == other {
            return true;
        }
        let (Some(one), Some(other)) = (self.read(one), self.read(other)) else { return false };
        one.server == other.server && one.scopes == other.scopes && one.caller() == other.caller()
    }

    /// The server that a tool for logging in is about, if it is there for somebody.
    pub(in crate::service) fn server_of_tool(&self, tool: &str, view: &View) -> Option<Server> {
        let mut servers = self.0.hub.servers().into_iter();
        servers.find(|server| {
            view.sees(server.name()) && wants_login(server) && tool_name(server.name()) == tool
        })
    }
}

/// The name of the tool by which somebody logs in.
fn tool_name(server: &str) -> String {
    format!("log_in_to_{server}")
}

/// The tool for logging in, where somebody has not, and nothing else is known of their server.
pub(in crate::service) fn tool_for(own: &Server) -> Option<Tool> {
    if !wants_login(own) || !own.catalog().tools.listing.items.is_empty() {
        return None;
    }
    let ServerState::NeedsAuth(failure) = own.status().state else { return None };
    failure.missing_login()?;
    let name = own.name();
    let mut tool = Tool::new(tool_name(name), json!({"type": "object"}));
    tool.description = Some(format!(
        "Has the person log in to `{name}` with an account of their own. Its tools are there after \
         that."
    ));
    Some(tool)
}

/// Whether a tool is the one for logging in, and not one of the server's that happens to be called
/// so.
pub(in crate::service) fn is_tool_of(own: &Server, tool: &str) -> bool {
    let listing = own.catalog().tools.listing;
    wants_login(own)
        && tool_name(own.name()) == tool
        && !listing.items.iter().any(|known| known.name == tool)
}
