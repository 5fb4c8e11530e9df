//! What happened lately, kept for those who watch.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mcp_client::{Hub, HubChange, HubEvent, Server};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::{
    sync::{broadcast, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    problem,
    running::{Running, UnderWay},
};
use crate::caller::{Answer, CallError, Reply};

/// How many entries are kept, and how large they may be together.
const ENTRIES: usize = 1_000;
const BYTES: usize = 4 << 20;
/// How much is kept of the arguments of a call, and of its result.
const PREVIEW_BYTES: usize = 8 << 10;

/// The last things that happened, each with a number. Nothing waits for a reader: who is slow
/// misses what was forgotten meanwhile, and is told so.
#[derive(Debug)]
pub(super) struct Journal {
    /// Tells one run of the process from another.
    era: String,
    calls: AtomicU64,
    running: Running,
    kept: Mutex<Kept>,
    /// The number of the last entry; the end of the journal is told by `None`.
    news: watch::Sender<Option<u64>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// `server`, `catalog`, `resource` or `call`.
    pub(super) kind: &'static str,
    /// The server that it is about, if it is about one.
    pub(super) server: Option<Arc<str>>,
    /// The tool that it names.
    pub(super) tool: Option<Arc<str>>,
    /// JSON in one line.
    pub(super) data: Arc<str>,
}

/// How somebody came to call a tool.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Via {
    Rest,
    Mcp,
    Chat,
    Plan,
}

impl Journal {
    pub(super) fn new() -> Self {
        let mut era = String::new();
        // Writing to a string cannot fail.
        let _ = write!(era, "{:x}", unix_time().as_millis());
        let news = watch::Sender::new(Some(0));
        let (calls, running) = Default::default();
        Self { era, calls, running, kept: Mutex::default(), news }
    }

    pub(super) fn note(&self, kind: &'static str, mut what: Value) {
        what["at"] = millis(unix_time()).into();
        let [server, tool] = ["server", "tool"].map(|part| what[part].as_str().map(Arc::from));
        self.keep(kind, server, tool, what.to_string().into());
    }

    fn keep(
        &self,
        kind: &'static str,
        server: Option<Arc<str>>,
        tool: Option<Arc<str>>,
        data: Arc<str>,
    ) {
        let mut kept = self.kept();
        kept.last += 1;
        kept.bytes += data.len();
        let number = kept.last;
        kept.entries.push_back(Entry { number, kind, server, tool, data });
        while kept.entries.len() > ENTRIES || kept.bytes > BYTES {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.data.len();
        }
        // In the lock, so that the numbers are told in order, and whoever comes now finds the entry;
        // once it has ended, it stays so.
        if self.news.receiver_count() > 0 {
            self.news.send_if_modified(|news| news.is_some_and(|_| news.replace(number).is_some()));
        }
    }

    /// What came after an entry, and how many of those are forgotten already.
    pub(super) fn since(&self, number: u64) -> (Vec<Entry>, u64) {
        let kept = self.kept();
        let oldest = kept.entries.front().map_or(kept.last + 1, |entry| entry.number);
        let forgotten = oldest.saturating_sub(number + 1);
        let known = usize::try_from((number + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        (kept.entries.iter().skip(known).cloned().collect(), forgotten)
    }

    /// How an entry is named to others.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.era)
    }

    /// The number of an entry so named; 0, which is before all, for one of another run.
    pub(super) fn number(&self, id: &str) -> u64 {
        let number = id.strip_prefix(self.era.as_str()).and_then(|rest| rest.strip_prefix('-'));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Tells the number of the newest entry each time that there is one, and then `None`.
    pub(super) fn news(&self) -> watch::Receiver<Option<u64>> {
        self.news.subscribe()
    }

    /// Ends the streams of all who watch.
    pub(super) fn end(&self) {
        self.news.send_replace(None);
    }

    /// What is under way, noted or not.
    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// Notes a call, and how it ends. Dropped before that, it was abandoned.
    pub(super) fn call(
        self: &Arc<Self>,
        via: Via,
        server: &str,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> NotedCall {
        let call = NotedCall {
            journal: Arc::clone(self),
            number: self.calls.fetch_add(1, Ordering::Relaxed) + 1,
            server: server.into(),
            tool: tool.into(),
            via,
            began: Instant::now(),
            told: false,
            _under_way: self.running.begin(),
        };
        call.note(None, "arguments", &preview(arguments));
        call
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of a call in any case, and before the rest.
#[derive(Serialize)]
struct About<'a> {
    call: u64,
    server: &'a str,
    tool: &'a str,
    via: Via,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
}

/// A call that is under way.
#[derive(Debug)]
pub(super) struct NotedCall {
    journal: Arc<Journal>,
    number: u64,
    server: Arc<str>,
    tool: Arc<str>,
    via: Via,
    began: Instant,
    told: bool,
    _under_way: UnderWay,
}

impl NotedCall {
    pub(super) fn ended(self, outcome: &Result<Reply, CallError>) {
        match outcome {
            Ok(Reply { answer: Answer::Tool(result), .. }) => {
                self.finish(if result.is_error { "failed" } else { "ok" }, &preview(result));
            }
            Ok(_) => self.finish("ok", NOTHING),
            Err(error) => {
                let outcome = if error.login().is_some() { "login_required" } else { "failed" };
                self.finish(outcome, &preview(&problem::chain(error)));
            }
        }
    }

    /// For a result that became words for a model.
    pub(super) fn told(self, is_error: bool, text: &str) {
        self.finish(if is_error { "failed" } else { "ok" }, &preview(text));
    }

    fn finish(mut self, outcome: &'static str, result: &str) {
        self.told = true;
        self.note(Some(outcome), "result", result);
    }

    /// Notes its beginning or its end, and one thing more in JSON.
    fn note(&self, outcome: Option<&'static str>, name: &str, more: &str) {
        let Self { journal, number, server, tool, via, .. } = self;
        let ms = outcome.map(|_| millis(self.began.elapsed()));
        let phase = if outcome.is_some() { "finished" } else { "started" };
        let about = About { call: *number, server, tool, via: *via, phase, outcome, ms };
        let line = serde_json::to_string(&about).and_then(|mut line| {
            let at = serde_json::to_string(&millis(unix_time()))?;
            line.truncate(line.len() - 1);
            line.reserve(name.len() + more.len() + at.len() + 16);
            for part in [",\"", name, "\":", more, ",\"at\":", &at, "}"] {
                line.push_str(part);
            }
            Ok(line)
        });
        match line {
            Ok(line) => {
                let (server, tool) = (Arc::clone(server), Arc::clone(tool));
                journal.keep("call", Some(server), Some(tool), line.into());
            }
            Err(error) => tracing::error!(%error, "a call could not be noted"),
        }
    }
}

impl Drop for NotedCall {
    fn drop(&mut self) {
        if !self.told {
            self.note(Some("abandoned"), "result", NOTHING);
        }
    }
}

/// What stands for no result.
const NOTHING: &str = "null";

/// Something as JSON in one line; of what is too long to be kept, the start of its text.
fn preview<T: Serialize + ?Sized>(what: &T) -> String {
    let mut start = Start { kept: Vec::new(), total: 0 };
    let written = serde_json::to_writer(&mut start, what);
    let Start { mut kept, total } = start;
    let quoted = |text: &str| Value::from(text).to_string();
    if let Err(error) = written {
        return quoted(&error.to_string());
    }
    if total <= PREVIEW_BYTES {
        // In JSON, line ends stand only between values.
        for byte in &mut kept {
            *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
        }
        return String::from_utf8(kept).unwrap_or_else(|error| quoted(&error.to_string()));
    }
    let text = match std::str::from_utf8(&kept) {
        Ok(text) => text,
        // It was cut within a character.
        Err(error) => std::str::from_utf8(&kept[..error.valid_up_to()]).unwrap_or_default(),
    };
    quoted(&format!("{text}… ({total} bytes in all)"))
}

/// Keeps the start of what is written, and counts the rest.
struct Start {
    kept: Vec<u8>,
    total: usize,
}

impl io::Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PREVIEW_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.total += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes what happens to the servers, as long as the set lives.
pub(super) fn follow(journal: &Arc<Journal>, hub: &Hub) -> JoinSet<()> {
    let journal = Arc::clone(journal);
    let mut events = hub.events();
    for server in hub.servers() {
        journal.note("server", at_first(&server));
    }
    let mut following = JoinSet::new();
    following.spawn(async move {
        loop {
            match events.recv().await {
                Ok(HubEvent { server, change, .. }) => note_change(&journal, &server, &change),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    journal.note("missed", json!({ "events": missed }));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    following
}

fn at_first(server: &Server) -> Value {
    json!({"server": server.name(), "state": server.status().state.kind().as_str()})
}

fn note_change(journal: &Journal, server: &str, change: &HubChange) {
    match change {
        HubChange::Added => journal.note("server", json!({"server": server, "state": "added"})),
        HubChange::Removed => journal.note("server", json!({"server": server, "state": "removed"})),
        HubChange::State(kind, reason) => {
            let what = json!({"server": server, "state": kind.as_str(), "reason": reason});
            journal.note("server", what);
        }
        HubChange::Catalog(generation) => {
            journal.note("catalog", json!({"server": server, "generation": generation}));
        }
        HubChange::Resource(uri) => {
            journal.note("resource", json!({"server": server, "uri": &**uri}));
        }
        // Which ones they are is for those who see them.
        HubChange::Drift(tools) => {
            journal.note("server", json!({"server": server, "drift": tools.len()}));
        }
        // What later revisions of the hub tell of.
        _ => journal.note("server", json!({ "server": server })),
    }
}

fn unix_time() -> Duration {
    // A clock before 1970 is nobody's.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whole microseconds, since nobody reads more.
fn millis(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "centuries of microseconds are exact")]
    let micros = time.as_micros() as f64;
    micros / 1000.0
}

#[cfg(test)]
mod tests {
    use mcp_protocol::tools::CallToolResult;

    use super::*;
    use crate::caller::LoginRequired;

    #[tokio::test]
    async fn the_oldest_are_forgotten_and_that_is_said() {
        let journal = Journal::new();
        let total = ENTRIES as u64 + 5;
        for number in 0..total {
            journal.note("server", json!({ "number": number }));
        }
        let (entries, forgotten) = journal.since(0);
        assert_eq!((entries.len(), forgotten), (ENTRIES, 5));
        let (entries, forgotten) = journal.since(total - 2);
        assert_eq!((entries.len(), forgotten), (2, 0));
        assert_eq!(entries[1].number, total);
        assert_eq!(journal.since(total).0.len(), 0);
        // Of another run of the process: everything is new.
        assert_eq!(journal.number("other-7"), 0);
        assert_eq!(journal.number(&journal.id(7)), 7);
    }

    #[tokio::test]
    async fn its_size_is_bounded() {
        let journal = Journal::new();
        for _ in 0..6 {
            journal.note("call", json!({ "text": "x".repeat(1 << 20) }));
        }
        let (entries, forgotten) = journal.since(0);
        assert_eq!((entries.len(), forgotten), (3, 3));
    }

    #[tokio::test]
    async fn calls_are_noted_with_their_end() {
        let journal = Arc::new(Journal::new());
        let mut long = Map::new();
        long.insert("text".into(), "ä".repeat(PREVIEW_BYTES).into());
        let call = journal.call(Via::Rest, "demo", "clock", &long);
        call.ended(&Ok(CallToolResult::text("noon").into()));
        drop(journal.call(Via::Mcp, "demo", "clock", &Map::new()));
        let call = journal.call(Via::Mcp, "demo", "clock", &Map::new());
        call.ended(&Err(LoginRequired::new("demo", "https://x.test/connect/i", "i").into()));
        let (entries, _) = journal.since(0);
        let told: Vec<Value> =
            entries.iter().map(|entry| serde_json::from_str(&entry.data).unwrap()).collect();
        assert!(told[0]["arguments"].as_str().unwrap().ends_with("bytes in all)"));
        assert!(told[0]["at"].as_f64().unwrap() > 1e12);
        assert_eq!(told[1]["outcome"], "ok");
        assert_eq!(told[1]["result"]["content"][0]["text"], "noon");
        assert_eq!((&told[3]["call"], &told[3]["outcome"]), (&json!(2), &json!("abandoned")));
        assert_eq!(told[5]["outcome"], "login_required");
    }

    #[test]
    fn a_preview_is_one_line_of_json() {
        let spaced = mcp_protocol::raw::RawJson::parse_text("{\r\n\"a\": [1,\n2]}").unwrap();
        assert_eq!(preview(&spaced), "{  \"a\": [1, 2]}");
        for length in PREVIEW_BYTES - 8..PREVIEW_BYTES + 3 {
            let text = format!("{}ä\n", "x".repeat(length));
            let shown: String = serde_json::from_str(&preview(&text)).unwrap();
            assert!(shown == text || shown.ends_with("bytes in all)"), "{length}");
        }
    }

    #[tokio::test]
    async fn its_end_is_final() {
        let journal = Journal::new();
        let mut news = journal.news();
        journal.end();
        journal.note("server", json!({}));
        assert_eq!(*news.borrow_and_update(), None);
    }
}
