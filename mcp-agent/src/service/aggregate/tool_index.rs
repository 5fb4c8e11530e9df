//! Which tool a name means: found out once for all calls, until something of it is another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use mcp_client::{Listing, config::ServerConfig};
use mcp_protocol::tools::Tool;

/// Which server of several, and which of its tools.
pub(super) type Place = (usize, usize);

/// What the names of the tools of one server depend on.
pub(super) struct Source {
    pub(super) server: String,
    pub(super) listing: Arc<Listing<Tool>>,
    pub(super) config: Option<Arc<ServerConfig>>,
    /// What is in quarantine, and why.
    pub(super) held: Arc<BTreeMap<String, String>>,
}

impl Source {
    /// Whether nothing is another. What is held on to here stays where it is, so that the same
    /// place means the same content.
    fn is(&self, other: &Self) -> bool {
        let same_config = match (&self.config, &other.config) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_config
            && Arc::ptr_eq(&self.listing, &other.listing)
            && (Arc::ptr_eq(&self.held, &other.held) || self.held == other.held)
            && self.server == other.server
    }
}

/// What was found out for one view.
#[derive(Default)]
pub(super) struct ToolIndex(Mutex<Option<Arc<Known>>>);

struct Known {
    sources: Vec<Source>,
    places: HashMap<String, Place>,
}

impl ToolIndex {
    /// Where the tool of this name is. `all` names all tools, and is asked only when something is
    /// another than when it was asked last.
    pub(super) fn find(
        &self,
        sources: Vec<Source>,
        all: impl FnOnce(&[Source]) -> Vec<(Place, String)>,
        name: &str,
    ) -> Option<Place> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let holds = |known: &Arc<Known>| {
            known.sources.len() == sources.len()
                && known.sources.iter().zip(&sources).all(|(one, other)| one.is(other))
        };
        let known = known.filter(holds).unwrap_or_else(|| {
            let places = all(&sources).into_iter().map(|(place, name)| (name, place)).collect();
            let known = Arc::new(Known { sources, places });
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
            known
        });
        known.places.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_named_again_only_when_something_is_another() {
        let listing = Arc::<Listing<Tool>>::default();
        let source = |listing: &Arc<Listing<Tool>>| Source {
            server: "one".to_owned(),
            listing: Arc::clone(listing),
            config: None,
            held: Arc::default(),
        };
        let named = |place| move |_: &[Source]| vec![(place, "search".to_owned())];
        let index = ToolIndex::default();
        assert_eq!(index.find(vec![source(&listing)], named((0, 3)), "search"), Some((0, 3)));
        let unasked = |_: &[Source]| unreachable!("nothing is another");
        assert_eq!(index.find(vec![source(&listing)], unasked, "search"), Some((0, 3)));
        assert_eq!(index.find(vec![source(&listing)], unasked, "other"), None);
        let other = Arc::<Listing<Tool>>::default();
        assert_eq!(index.find(vec![source(&other)], named((0, 4)), "search"), Some((0, 4)));
        let mut held = source(&other);
        held.held = Arc::new(BTreeMap::from([("search".to_owned(), "changed".to_owned())]));
        assert_eq!(index.find(vec![held], |_| Vec::new(), "search"), None);
    }
}
