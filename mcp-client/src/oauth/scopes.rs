//! Which scopes to ask for.

/// The scope that makes some authorization servers issue refresh tokens (OpenID Connect Core
/// section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// What the choice of scopes depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// What the user wants in any case.
    pub(super) configured: &'a [String],
    /// What the refusal named. It is authoritative for the request that was refused.
    pub(super) challenged: Option<&'a str>,
    /// What was asked for before, at the same authorization server.
    pub(super) requested: &'a [String],
    /// What the MCP server lists.
    pub(super) resource: Option<&'a [String]>,
    /// What the authorization server lists.
    pub(super) server: Option<&'a [String]>,
    /// Whether a refresh token would be of use.
    pub(super) refreshes: bool,
}

impl Wanted<'_> {
    /// The scopes to ask for, each once. Empty means that the parameter is left out.
    ///
    /// What was asked for before stays, so that stepping up for one operation loses no other.
    pub(super) fn choose(self) -> Vec<String> {
        let mut chosen = Vec::new();
        add(&mut chosen, self.requested.iter().map(String::as_str));
        match self.challenged {
            Some(scope) => add(&mut chosen, scope.split_ascii_whitespace()),
            None if chosen.is_empty() && self.configured.is_empty() => {
                add(&mut chosen, self.resource.unwrap_or_default().iter().map(String::as_str));
            }
            None => {}
        }
        add(&mut chosen, self.configured.iter().map(String::as_str));
        let offered = self.server.unwrap_or_default().iter().any(|scope| scope == OFFLINE_ACCESS);
        // On its own it would turn "the usual scopes" into none but it.
        if self.refreshes && offered && !chosen.is_empty() {
            add(&mut chosen, [OFFLINE_ACCESS]);
        }
        chosen
    }
}

fn add<'a>(chosen: &mut Vec<String>, scopes: impl IntoIterator<Item = &'a str>) {
    for scope in scopes {
        if !chosen.iter().any(|one| one == scope) {
            chosen.push(scope.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }

    // covers: auth-scopes
    #[test]
    fn the_challenge_comes_before_the_list_of_the_server() {
        let resource = list("a b");
        let wanted = Wanted { resource: Some(&resource), ..Wanted::default() };
        assert_eq!(wanted.choose(), ["a", "b"]);
        assert_eq!(Wanted { challenged: Some("c c"), ..wanted }.choose(), ["c"]);
        assert!(Wanted { challenged: Some(""), ..wanted }.choose().is_empty());
        assert!(Wanted { resource: None, ..wanted }.choose().is_empty());
        let configured = list("mine");
        assert_eq!(Wanted { configured: &configured, ..wanted }.choose(), ["mine"]);
    }

    // covers: auth-step-up
    #[test]
    fn stepping_up_keeps_what_was_asked_for() {
        let (requested, resource) = (list("basic"), list("decoy"));
        let wanted = Wanted {
            requested: &requested,
            resource: Some(&resource),
            challenged: Some("write"),
            ..Wanted::default()
        };
        assert_eq!(wanted.choose(), ["basic", "write"]);
        assert_eq!(Wanted { challenged: None, ..wanted }.choose(), ["basic"]);
    }

    // covers: auth-offline
    #[test]
    fn offline_access_only_where_it_is_offered_and_of_use() {
        let server = list("a offline_access");
        let wanted = Wanted {
            server: Some(&server),
            refreshes: true,
            challenged: Some("a"),
            ..Wanted::default()
        };
        assert_eq!(wanted.choose(), ["a", OFFLINE_ACCESS]);
        assert_eq!(Wanted { refreshes: false, ..wanted }.choose(), ["a"]);
        assert_eq!(Wanted { server: None, ..wanted }.choose(), ["a"]);
        assert!(Wanted { challenged: None, ..wanted }.choose().is_empty());
    }
}
