//! Which role a request needs.

use axum::http::Method;

use super::principal::Role;

/// The least role that a request may be made with, by method and path. What a path says nothing of,
/// such as which tool is called, is decided where that is known. A path that nobody has thought of
/// here is for administrators.
pub(super) fn role(method: &Method, path: &str) -> Role {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path {
        // What is asked for there is in the body.
        "/mcp" => Role::Viewer,
        _ if path.starts_with("/servers/") && path.ends_with("/mcp") => Role::Viewer,
        "/mcp/tools/call" | "/mcp/resources/read" | "/mcp/prompts/get" => Role::User,
        _ if is_below(path, "/v1") || is_below(path, "/mcp/plans") => Role::User,
        _ if is_below(path, "/mcp/conversations") => Role::User,
        _ if is_below(path, "/mcp/logins") || is_below(path, "/connect") => Role::User,
        _ if path.starts_with("/mcp/servers/") && path.ends_with("/restart") => Role::Operator,
        _ if reads && path.starts_with("/mcp/servers/") && path.ends_with("/drift") => {
            Role::Operator
        }
        _ if reads => Role::Viewer,
        _ => Role::Admin,
    }
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (method, path, needed) in [
            ("GET", "/mcp/servers", Role::Viewer),
            ("GET", "/mcp/servers/a", Role::Viewer),
            ("POST", "/mcp/servers", Role::Admin),
            ("POST", "/mcp/servers/", Role::Admin),
            ("DELETE", "/mcp/servers/a", Role::Admin),
            ("PUT", "/mcp/servers/a", Role::Admin),
            ("POST", "/mcp/servers/a/restart", Role::Operator),
            ("GET", "/mcp/servers/a/drift", Role::Operator),
            ("POST", "/mcp/servers/a/drift/accept", Role::Admin),
            ("POST", "/mcp", Role::Viewer),
            ("DELETE", "/mcp", Role::Viewer),
            ("POST", "/servers/a/mcp", Role::Viewer),
            ("POST", "/mcp/tools/call", Role::User),
            ("POST", "/v1/chat/completions", Role::User),
            ("GET", "/v1/models", Role::User),
            ("GET", "/mcp/conversations/7", Role::User),
            ("GET", "/mcp/logins", Role::User),
            ("DELETE", "/mcp/logins/a", Role::User),
            ("POST", "/connect/x", Role::User),
            ("POST", "/v1x", Role::Admin),
            ("GET", "/metrics", Role::Viewer),
            ("POST", "/anything", Role::Admin),
        ] {
            let method = Method::try_from(method).unwrap();
            assert_eq!(role(&method, path), needed, "{method} {path}");
        }
    }
}
