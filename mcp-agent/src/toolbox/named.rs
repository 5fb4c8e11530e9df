//! Other names than `mcp__server__tool` for the same tools.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    PreparedCall, ProgressSink, ToolError, ToolFacts, ToolOutput, ToolSnapshot, Toolset,
    names::{self, NameRules},
};
use crate::model::{BoxFuture, ToolDefinition};

/// How a tool's name is made of its server's and its own. Tools without a server keep their own
/// name, but for the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameScheme {
    /// `mcp__server__tool`.
    #[default]
    Mcp,
    /// `prefix_tool`.
    Prefix(String),
    /// `server_tool`.
    Underscore,
    /// `server.tool`. Most providers refuse dots: see [`NameRules`].
    Dot,
    /// `mcp://server/tool`, for people and for routing. Providers refuse it: see [`NameRules`].
    Uri,
    /// `tool`.
    Bare,
}

impl NameScheme {
    /// The name before it is made to fit.
    pub fn plain(&self, server: Option<&str>, tool: &str) -> String {
        match (self, server) {
            (Self::Prefix(prefix), _) => format!("{prefix}_{tool}"),
            (Self::Mcp, Some(server)) => format!("mcp__{server}__{tool}"),
            (Self::Underscore, Some(server)) => format!("{server}_{tool}"),
            (Self::Dot, Some(server)) => format!("{server}.{tool}"),
            (Self::Uri, Some(server)) => format!("mcp://{server}/{tool}"),
            (Self::Bare, _) | (_, None) => tool.to_owned(),
        }
    }
}

/// The tools of another set under other names. Calls find their tool by a map, never by taking a
/// name apart, so every scheme resolves.
///
/// A name that breaks the rules, or that two tools would share, ends with a hash of server and tool
/// instead, which is the same on every start.
///
/// ```
/// use mcp_agent::toolbox::{LocalTools, NameScheme, Named, Toolset};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct City { name: String }
///
/// let tools = LocalTools::new().tool("weather", "The weather.", |city: City| async { city.name });
/// let tools = Named::new(tools, NameScheme::Prefix("eu".into()));
/// assert!(tools.snapshot().get("eu_weather").is_some());
/// ```
pub struct Named<T> {
    inner: T,
    scheme: NameScheme,
    rules: NameRules,
    last: Mutex<Option<Arc<Renamed>>>,
}

/// The inner snapshots last seen, and what became of them.
struct Renamed {
    seen: (Arc<ToolSnapshot>, Arc<ToolSnapshot>),
    snapshot: Arc<ToolSnapshot>,
    catalog: Arc<ToolSnapshot>,
    /// New name to inner name.
    inner: HashMap<String, String>,
    /// Inner name to new name.
    outer: HashMap<String, String>,
}

impl<T: Toolset> Named<T> {
    /// Names by this scheme, made to fit what all providers take.
    pub fn new(inner: T, scheme: NameScheme) -> Self {
        Self::with_rules(inner, scheme, NameRules::default())
    }

    /// Names by this scheme, made to fit these rules.
    pub fn with_rules(inner: T, scheme: NameScheme, rules: NameRules) -> Self {
        Self { inner, scheme, rules, last: Mutex::default() }
    }

    fn renamed(&self) -> Arc<Renamed> {
        let seen = (self.inner.snapshot(), self.inner.catalog());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.seen.0, &seen.0)
            && Arc::ptr_eq(&last.seen.1, &seen.1)
        {
            return Arc::clone(last);
        }
        let renamed = Arc::new(self.rename(seen));
        *last = Some(Arc::clone(&renamed));
        renamed
    }

    fn rename(&self, seen: (Arc<ToolSnapshot>, Arc<ToolSnapshot>)) -> Renamed {
        let tools: Vec<_> = seen.1.tools.iter().collect();
        let facts: Vec<_> = tools.iter().map(|tool| self.inner.facts(&tool.name)).collect();
        let identities = facts.iter().map(|facts| {
            let server = facts.server.as_deref();
            (self.scheme.plain(server, &facts.tool), server.unwrap_or_default(), &*facts.tool)
        });
        let new = names::fit_all(identities, &self.rules);
        let outer: HashMap<String, String> =
            tools.iter().map(|tool| tool.name.clone()).zip(new).collect();
        let under_new_names = |snapshot: &ToolSnapshot| {
            let tools = snapshot.tools.iter().filter_map(|tool| {
                Some(ToolDefinition { name: outer.get(&tool.name)?.clone(), ..tool.clone() })
            });
            Arc::new(ToolSnapshot::new(snapshot.generation, tools.collect()))
        };
        Renamed {
            snapshot: under_new_names(&seen.0),
            catalog: under_new_names(&seen.1),
            inner: outer.iter().map(|(old, new)| (new.clone(), old.clone())).collect(),
            outer,
            seen,
        }
    }
}

impl<T: Toolset> Toolset for Named<T> {
    fn snapshot(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.renamed().snapshot)
    }

    fn catalog(&self) -> Arc<ToolSnapshot> {
        Arc::clone(&self.renamed().catalog)
    }

    fn facts(&self, name: &str) -> ToolFacts {
        match self.renamed().inner.get(name) {
            Some(name) => self.inner.facts(name),
            None => ToolFacts::new(name),
        }
    }

    fn call(
        &self,
        mut call: PreparedCall,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let renamed = self.renamed();
        let Some(inner) = renamed.inner.get(&call.name) else {
            return Box::pin(std::future::ready(Err(ToolError::Unknown { name: call.name })));
        };
        call.name.clone_from(inner);
        let calling = self.inner.call(call, progress);
        Box::pin(async move {
            let mut output = calling.await?;
            output.rename_reveals(|name| renamed.outer.get(name).cloned());
            Ok(output)
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("inner", &self.inner)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, future};

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    /// Answers with the identity of the tool that was called.
    #[derive(Debug)]
    struct Echo {
        snapshot: Arc<ToolSnapshot>,
        tools: HashMap<String, (String, String)>,
    }

    impl Echo {
        fn of(tools: impl IntoIterator<Item = (String, String)>) -> Self {
            let tools: HashMap<_, _> = tools
                .into_iter()
                .enumerate()
                .map(|(number, tool)| (format!("t{number}"), tool))
                .collect();
            let definitions = tools.keys().map(|name| ToolDefinition {
                name: name.clone(),
                description: String::new(),
                parameters: json!({"type": "object"}).into(),
            });
            let snapshot = Arc::new(ToolSnapshot::new(1, definitions.collect()));
            Self { snapshot, tools }
        }
    }

    impl Toolset for Echo {
        fn snapshot(&self) -> Arc<ToolSnapshot> {
            Arc::clone(&self.snapshot)
        }

        fn facts(&self, name: &str) -> ToolFacts {
            let (server, tool) = self.tools[name].clone();
            ToolFacts::of_server(server, tool)
        }

        fn call(
            &self,
            call: PreparedCall,
            _: ProgressSink,
        ) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
            let (server, tool) = &self.tools[&call.name];
            Box::pin(future::ready(Ok(ToolOutput::text(format!("{server}\n{tool}")))))
        }
    }

    fn schemes() -> impl Strategy<Value = NameScheme> {
        prop_oneof![
            Just(NameScheme::Mcp),
            Just(NameScheme::Prefix("p".into())),
            Just(NameScheme::Underscore),
            Just(NameScheme::Dot),
            Just(NameScheme::Uri),
            Just(NameScheme::Bare),
        ]
    }

    fn rules() -> impl Strategy<Value = NameRules> {
        let gemini = NameRules::default().also(".").starting_with_letter();
        prop_oneof![
            Just(NameRules::default()),
            Just(gemini),
            Just(NameRules::any()),
            Just(NameRules::default().max_length(24)),
        ]
    }

    fn awkward() -> impl Strategy<Value = String> {
        prop_oneof!["[ab_]{0,4}", "[a-z_.-]{1,70}", "\\PC{0,20}"]
    }

    proptest! {
        #[test]
        fn every_scheme_fits_is_distinct_and_leads_back(
            tools in prop::collection::hash_set((awkward(), awkward()), 0..30),
            scheme in schemes(),
            rules in rules(),
        ) {
            let named = Named::with_rules(Echo::of(tools.clone()), scheme, rules.clone());
            let snapshot = named.snapshot();
            let names: HashSet<_> = snapshot.tools.iter().map(|tool| tool.name.clone()).collect();
            prop_assert_eq!(names.len(), tools.len());
            let mut found = HashSet::new();
            for name in &names {
                prop_assert!(rules.allows(name), "{name}");
                let call = PreparedCall::new("1", name, Map::new());
                let called = futures_util::FutureExt::now_or_never(named.call(call, Arc::new(|_| {})));
                let text = called.unwrap().unwrap().to_text();
                let facts = named.facts(name);
                prop_assert_eq!(text, format!("{}\n{}", facts.server.as_ref().unwrap(), facts.tool));
                found.insert((facts.server.unwrap(), facts.tool));
            }
            prop_assert_eq!(found, tools);
        }
    }

    #[test]
    fn schemes_read_as_their_names_say() {
        let names = |scheme, rules| {
            let tools = Echo::of([("db".to_owned(), "query".to_owned())]);
            Named::with_rules(tools, scheme, rules).snapshot().tools[0].name.clone()
        };
        assert_eq!(names(NameScheme::Mcp, NameRules::default()), "mcp__db__query");
        assert_eq!(names(NameScheme::Prefix("my".into()), NameRules::default()), "my_query");
        assert_eq!(names(NameScheme::Underscore, NameRules::default()), "db_query");
        assert_eq!(names(NameScheme::Dot, NameRules::any()), "db.query");
        assert_eq!(names(NameScheme::Uri, NameRules::any()), "mcp://db/query");
        let safe = names(NameScheme::Dot, NameRules::default());
        assert!(safe.starts_with("db_query_") && safe.len() == 17, "{safe}");
    }
}
