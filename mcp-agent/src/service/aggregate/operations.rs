//! How long requests of MCP take here and how they end: `mcp.server.operation.duration` of
//! OpenTelemetry's conventions.
//!
//! Clients cannot make this grow: methods are counted by name where the specification has them,
//! tools and prompts where they are there for whoever asked, up to a number.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_client::{Durations, Hub};
use mcp_protocol::jsonrpc::ErrorObject;
use tokio::time::Instant;

use crate::{
    error_type,
    exposition::{Label, head},
};

/// The methods that have a name in what is measured, and the one of all others: anybody could make
/// up more.
pub(super) const METHODS: [&str; 21] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
    "_OTHER",
];

/// How many tools and prompts are counted by name. What comes later counts with its method only,
/// until servers are removed.
const MAX_NAMED: usize = 4096;

/// The same of one server, so that one with many leaves room for those of others.
const MAX_OF_ONE: usize = 512;

/// Where a method stands among [`METHODS`].
pub(super) fn method_index(method: &str) -> usize {
    METHODS[..METHODS.len() - 1].binary_search(&method).unwrap_or(METHODS.len() - 1)
}

type Series = Mutex<Durations>;

/// All requests that were answered.
pub(in crate::service) struct Operations {
    hub: Hub,
    methods: [Series; METHODS.len()],
    /// By method, server and name.
    named: RwLock<Named>,
}

type Names = HashMap<Arc<str>, Arc<Series>>;

#[derive(Default)]
struct Named {
    count: usize,
    /// For each kind.
    servers: [HashMap<Arc<str>, Names>; 2],
}

/// The kinds of things that have names.
#[derive(Clone, Copy)]
enum Kind {
    Tool = 0,
    Prompt = 1,
}

impl Named {
    /// How many things of a server there are.
    fn of(&self, server: &str) -> usize {
        self.servers.iter().filter_map(|servers| servers.get(server)).map(HashMap::len).sum()
    }

    /// Forgets what belongs to servers that are there no more.
    fn forget_removed(&mut self, hub: &Hub) {
        for servers in &mut self.servers {
            servers.retain(|server, _| hub.server(server).is_some());
        }
        self.count = self.servers.iter().flat_map(HashMap::values).map(HashMap::len).sum();
    }
}

impl Operations {
    pub(super) fn new(hub: &Hub) -> Self {
        let methods = [(); METHODS.len()].map(|()| Series::default());
        Self { hub: hub.clone(), methods, named: RwLock::default() }
    }

    /// Where a tool or a prompt is counted, if there is room for it.
    fn named(&self, kind: Kind, server: &str, name: &str) -> Option<Arc<Series>> {
        let find = |named: &Named| named.servers[kind as usize].get(server)?.get(name).cloned();
        if let Some(known) = find(&self.read()) {
            return Some(known);
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&named) {
            return Some(known);
        }
        if named.of(server) >= MAX_OF_ONE {
            return None;
        }
        if named.count >= MAX_NAMED {
            named.forget_removed(&self.hub);
            if named.count >= MAX_NAMED {
                return None;
            }
        }
        named.count += 1;
        let series = Arc::<Series>::default();
        let of_server = named.servers[kind as usize].entry(server.into()).or_default();
        of_server.insert(name.into(), Arc::clone(&series));
        Some(series)
    }

    /// In the text format of Prometheus (version 0.0.4).
    pub(in crate::service) fn prometheus(&self) -> String {
        // What is written is of servers that there are.
        self.named.write().unwrap_or_else(PoisonError::into_inner).forget_removed(&self.hub);
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        const TOOL: &str = "mcp_method_name=\"tools/call\",gen_ai_operation_name=\"execute_tool\",gen_ai_tool_name";
        const PROMPT: &str = "mcp_method_name=\"prompts/get\",gen_ai_prompt_name";
        let name = "mcp_server_operation_duration_seconds";
        head(out, name, "histogram", "How long requests of MCP took here.")?;
        let mut labels = String::new();
        let mut samples = |labels: &str, series: &Series| {
            // Written from a copy: nobody waits.
            let durations = series.lock().unwrap_or_else(PoisonError::into_inner).clone();
            durations.write_prometheus(out, name, labels)
        };
        for (method, series) in METHODS.iter().zip(&self.methods) {
            labels.clear();
            write!(labels, "mcp_method_name=\"{method}\"")?;
            samples(&labels, series)?;
        }
        for (kind, about) in [(Kind::Tool, TOOL), (Kind::Prompt, PROMPT)] {
            for (server, item, series) in self.sorted(kind) {
                labels.clear();
                let (server, item) = (Label(&server), Label(&item));
                write!(labels, "{about}=\"{item}\",server=\"{server}\"")?;
                samples(&labels, &series)?;
            }
        }
        Ok(())
    }

    /// What is counted by name, by server and name.
    fn sorted(&self, kind: Kind) -> Vec<(Arc<str>, Arc<str>, Arc<Series>)> {
        let mut all = Vec::new();
        for (server, names) in &self.read().servers[kind as usize] {
            let of_server = names.iter();
            all.extend(
                of_server.map(|(name, series)| {
                    (Arc::clone(server), Arc::clone(name), Arc::clone(series))
                }),
            );
        }
        all.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        all
    }

    fn read(&self) -> RwLockReadGuard<'_, Named> {
        self.named.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. One that is dropped was called off.
pub(super) struct Measured {
    operations: Arc<Operations>,
    method: usize,
    began: Instant,
    /// That of the tool or the prompt.
    named: OnceLock<Arc<Series>>,
    is_tool_error: AtomicBool,
    is_over: bool,
}

impl Measured {
    pub(super) fn begin(operations: &Arc<Operations>, method: &str) -> Self {
        Self {
            operations: Arc::clone(operations),
            method: method_index(method),
            began: Instant::now(),
            named: OnceLock::new(),
            is_tool_error: AtomicBool::new(false),
            is_over: false,
        }
    }

    /// It is about a tool or a prompt that there is, under the name that its server has for it.
    pub(super) fn is_of(&self, server: &str, name: &str) {
        let kind = match METHODS[self.method] {
            "tools/call" => Kind::Tool,
            "prompts/get" => Kind::Prompt,
            _ => return,
        };
        if let Some(series) = self.operations.named(kind, server, name) {
            // A request is about one thing.
            let _ = self.named.set(series);
        }
    }

    /// Its result is a tool's `isError`.
    pub(super) fn is_tool_error(&self) {
        self.is_tool_error.store(true, Ordering::Relaxed);
    }

    /// It is answered.
    pub(super) fn ended(&mut self, error: Option<&ErrorObject>) {
        let is_tool_error = self.is_tool_error.load(Ordering::Relaxed);
        let tool_error = is_tool_error.then_some(error_type::TOOL_ERROR);
        self.count(error.map(|error| error_type::of_code(error.code)).or(tool_error));
    }

    fn count(&mut self, error: Option<&'static str>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let series = self.named.get().map_or(&self.operations.methods[self.method], |named| named);
        series.lock().unwrap_or_else(PoisonError::into_inner).add(self.began.elapsed(), error);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // A client that listens ends it so.
        let is_listening = METHODS[self.method] == "subscriptions/listen";
        self.count((!is_listening).then_some(error_type::CANCELLED));
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured").field("method", &METHODS[self.method]).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcp_client::{
        Hub, HubOptions,
        config::{ServerConfig, TransportConfig},
    };

    use super::*;

    /// Servers that nobody starts.
    fn hub_of(names: &[&str]) -> Hub {
        let mut options = HubOptions::default();
        options.lazy = true;
        let entry = |name: &&str| {
            let url = "http://127.0.0.1:9/mcp".to_owned();
            ServerConfig::new(*name, TransportConfig::Http { url, headers: BTreeMap::new() })
        };
        Hub::start(names.iter().map(entry).collect(), &options)
    }

    fn lines(operations: &Operations, wanted: &str) -> Vec<String> {
        let text = operations.prometheus();
        text.lines().filter(|line| line.contains(wanted)).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn every_end_has_its_word() {
        assert!(METHODS[..METHODS.len() - 1].is_sorted());
        let operations = Arc::new(Operations::new(&hub_of(&["one"])));
        let begin = |method: &str| Measured::begin(&operations, method);
        begin("made/up").ended(None);
        begin("another").ended(Some(&ErrorObject::new(-32601, "no")));
        begin("ping").ended(Some(&ErrorObject::new(-12345, "odd")));
        drop(begin("resources/read"));
        drop(begin("subscriptions/listen"));
        let mut call = begin("tools/call");
        call.is_of("one", "sea\"rch");
        call.is_tool_error();
        call.ended(None);
        let mut get = begin("prompts/get");
        get.is_of("one", "sea\"rch");
        get.ended(None);
        assert_eq!(
            lines(&operations, "_count{"),
            [
                r#"{mcp_method_name="ping",error_type="_OTHER"} 1"#,
                r#"{mcp_method_name="resources/read",error_type="cancelled"} 1"#,
                r#"{mcp_method_name="subscriptions/listen"} 1"#,
                r#"{mcp_method_name="_OTHER"} 1"#,
                r#"{mcp_method_name="_OTHER",error_type="-32601"} 1"#,
                r#"{mcp_method_name="tools/call",gen_ai_operation_name="execute_tool",gen_ai_tool_name="sea\"rch",server="one",error_type="tool_error"} 1"#,
                r#"{mcp_method_name="prompts/get",gen_ai_prompt_name="sea\"rch",server="one"} 1"#,
            ]
            .map(|labels| format!("mcp_server_operation_duration_seconds_count{labels}"))
        );
    }

    #[tokio::test]
    async fn names_are_bounded_and_go_with_their_servers() {
        let hub = hub_of(&["one", "other"]);
        let operations = Arc::new(Operations::new(&hub));
        let call = |server: &str, number: usize| {
            let mut call = Measured::begin(&operations, "tools/call");
            call.is_of(server, &number.to_string());
            call.ended(None);
        };
        for number in 0..MAX_OF_ONE + 7 {
            call("one", number);
        }
        call("other", 1);
        let of = |server: &str| lines(&operations, &format!("server=\"{server}\"")).len();
        let each = of("other");
        assert!(each > 0);
        assert_eq!(of("one"), MAX_OF_ONE * each);
        // The rest counts as calls of tools.
        let rest = r#"_count{mcp_method_name="tools/call"} 7"#;
        assert_eq!(lines(&operations, rest).len(), 1);
        hub.remove("one").await;
        assert_eq!((of("one"), of("other")), (0, each));
    }

    #[tokio::test]
    async fn many_servers_have_a_bound_together() {
        let servers: Vec<String> = (0..=MAX_NAMED / MAX_OF_ONE).map(|n| n.to_string()).collect();
        let names: Vec<&str> = servers.iter().map(String::as_str).collect();
        let hub = hub_of(&names);
        let operations = Operations::new(&hub);
        let full = names.len() - 1;
        for server in &names[..full] {
            for number in 0..MAX_OF_ONE {
                assert!(operations.named(Kind::Tool, server, &number.to_string()).is_some());
            }
        }
        assert!(operations.named(Kind::Prompt, names[full], "more").is_none());
        // What was forgotten with its server makes room.
        hub.remove(names[0]).await;
        assert!(operations.named(Kind::Prompt, names[full], "more").is_some());
    }
}
