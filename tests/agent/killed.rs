//! A process that drives a run is killed with SIGKILL, again and again, wherever it is; another
//! goes on from the file, and the run ends as one that nobody disturbed.

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    hash::{BuildHasher as _, RandomState},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use mcp_agent::{
    Agent,
    model::scripted::{Scene, ScriptedModel},
    run::{InDoubt, Outcome, RunSettings},
    store::{SqliteStore, Store as _, StoreKey, to_markdown},
    toolbox::{IDEMPOTENCY_KEY, McpToolset},
};
use mcp_client::{
    Client,
    protocol::tools::Tool,
    testing::{Answer, TestServer},
};
use serde_json::{Value, json};

const FOLDER: &str = "KILLED_TEST_FOLDER";
const URL: &str = "KILLED_TEST_URL";
const IN_DOUBT: &str = "KILLED_TEST_IN_DOUBT";
/// Whether the child waits after each event until it is told to go on.
const STEPWISE: &str = "KILLED_TEST_STEPWISE";

fn scenes() -> Vec<Scene> {
    vec![
        Scene::calls([("mcp__bank__pay", r#"{"n": 1}"#), ("mcp__bank__pay", r#"{"n": 2}"#)]),
        Scene::call("mcp__bank__pay", r#"{"n": 3}"#),
        Scene::text("Paid thrice."),
    ]
}

fn open(folder: &Path) -> SqliteStore {
    let key = StoreKey::of_file(&folder.join("key")).unwrap();
    SqliteStore::open(folder.join("conversations.db"), key).unwrap()
}

/// The other process: this test's program, started by the tests below with a folder and a URL.
#[tokio::test]
#[ignore = "a process of its own, which the other tests start"]
async fn child() {
    let (Ok(folder), Ok(url)) = (env::var(FOLDER), env::var(URL)) else { return };
    let bank = Client::http(url).connect().await.unwrap();
    let tools = McpToolset::of_clients([("bank".to_owned(), bank)]).await;
    let store = open(Path::new(&folder));
    let stored = store.list().await.unwrap();
    let run = match stored.first() {
        Some(stored) => Some(store.load(&stored.id, None).await.unwrap()),
        None => None,
    };
    let answered = run.as_ref().map_or(0, mcp_agent::run::Run::steps);
    let model = ScriptedModel::new(scenes().into_iter().skip(answered.try_into().unwrap()));
    let mut settings = RunSettings::default();
    if env::var(IN_DOUBT).is_ok_and(|word| word == "repeat") {
        settings.in_doubt = InDoubt::Repeat;
    }
    let agent = Agent::builder(model).tools(tools).settings(settings).journal(store).build();
    let mut under_way = match run {
        Some(run) if !run.transcript().is_empty() => agent.drive(run),
        Some(run) => agent.prompt(run, "Pay."),
        None => agent.run("Pay."),
    };
    let stepwise = env::var(STEPWISE).is_ok();
    let mut out = std::io::stdout();
    while let Some(event) = under_way.next().await {
        event.unwrap();
        // Past the test harness, which would keep it.
        writeln!(out, "@event").unwrap();
        out.flush().unwrap();
        if stepwise {
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
    }
}

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// After so many events, in a moment in which it waits.
    AtEvent(usize),
    /// After so many events, while it goes on.
    PastEvent(usize),
    /// When the server has heard of a payment, before it pays.
    BeforePayment,
    /// When the server has paid, before it says so.
    AfterPayment,
}

/// What the server did.
#[derive(Debug, Default)]
struct Ledger {
    /// Payments by key.
    paid: BTreeMap<String, u64>,
    attempts: usize,
    kill: Option<Kill>,
    child: Option<Child>,
}

impl Ledger {
    fn pay(&mut self, params: &Value) -> Answer {
        self.attempts += 1;
        if let Some(Kill::BeforePayment) = self.kill {
            self.kill();
            return Answer::Silence;
        }
        let key = params["_meta"][IDEMPOTENCY_KEY].as_str().expect("each call has a key");
        self.paid.insert(key.to_owned(), params["arguments"]["n"].as_u64().unwrap());
        if let Some(Kill::AfterPayment) = self.kill {
            self.kill();
            return Answer::Silence;
        }
        Answer::result(json!({"content": [{"type": "text", "text": "paid"}]}))
    }

    fn kill(&mut self) {
        self.kill = None;
        // SIGKILL: nothing in the process can hear of it.
        self.child.as_mut().unwrap().kill().unwrap();
    }
}

struct Trial {
    folder: tempfile::TempDir,
    url: String,
    in_doubt: &'static str,
    ledger: Arc<Mutex<Ledger>>,
}

impl Trial {
    /// Starts a process and kills it there. Returns whether it came to its end before.
    fn process(&self, kill: Option<Kill>) -> bool {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["killed::child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, self.folder.path())
            .env(URL, &self.url)
            .env(IN_DOUBT, self.in_doubt)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if matches!(kill, Some(Kill::AtEvent(_))) {
            command.env(STEPWISE, "1");
        }
        // Held until the child is in it: the child may pay at once.
        let mut ledger = self.ledger.lock().unwrap();
        let mut child = command.spawn().unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        ledger.child = Some(child);
        ledger.kill = kill;
        drop(ledger);
        let mut heard = 0;
        for line in BufReader::new(output).lines() {
            // A line may end where the process did.
            let Ok(line) = line else { break };
            if !line.contains("@event") {
                continue;
            }
            heard += 1;
            match kill {
                Some(Kill::AtEvent(at) | Kill::PastEvent(at)) if at == heard => {
                    self.ledger.lock().unwrap().kill();
                }
                // One that was killed by the server cannot read.
                _ => drop(input.write_all(b"\n")),
            }
        }
        let child = self.ledger.lock().unwrap().child.take().unwrap();
        let ended = child.wait_with_output().unwrap();
        if ended.status.signal() == Some(9) {
            return false;
        }
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        true
    }

    /// The outcome and what was said, once a process has come to the end.
    async fn ended(&self) -> (Outcome, String) {
        let store = open(self.folder.path());
        let stored = store.list().await.unwrap();
        assert_eq!(stored.len(), 1);
        let run = store.load(&stored[0].id, None).await.unwrap();
        let mcp_agent::run::Step::Done(outcome) = run.step() else { panic!("{:?}", run.step()) };
        (outcome.clone(), to_markdown(run.transcript()))
    }
}

async fn trial(in_doubt: &'static str, kills: impl IntoIterator<Item = Kill>) -> Trial {
    let ledger = Arc::<Mutex<Ledger>>::default();
    let book = Arc::clone(&ledger);
    let pay = Tool::new("pay", json!({"type": "object", "properties": {"n": {"type": "integer"}}}));
    let server = TestServer::new()
        .tool(pay, |_| Answer::Silence)
        .on("tools/call", move |params| book.lock().unwrap().pay(params))
        .http()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trial = Trial { folder, url: server.url().to_owned(), in_doubt, ledger };
    let mut kills: VecDeque<Kill> = kills.into_iter().collect();
    let trial = tokio::task::spawn_blocking(move || {
        while !trial.process(kills.pop_front()) {}
        trial
    });
    let trial = trial.await.unwrap();
    drop(server);
    trial
}

/// Up to four kills anywhere, different in each run of the test.
fn kills(seed: u64) -> Vec<Kill> {
    let random = |place: u64, below: u64| {
        // Numbers that depend on the seed and the place only.
        let mixed = (seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_mul(0xBF58_476D_1CE4_E5B9)
            .rotate_left(31)
            .wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed >> 33) % below).unwrap()
    };
    (0..=random(0, 4) as u64)
        .map(|number| match random(10 + number, 4) {
            0 => Kill::AtEvent(1 + random(20 + number, 12)),
            1 => Kill::PastEvent(1 + random(20 + number, 12)),
            2 => Kill::BeforePayment,
            _ => Kill::AfterPayment,
        })
        .collect()
}

#[tokio::test]
async fn killed_anywhere_it_ends_the_same() {
    let undisturbed = trial("repeat", []).await;
    let expected = undisturbed.ended().await;
    assert_eq!(expected.0, Outcome::Final { text: "Paid thrice.".into() });
    let seed = RandomState::new().hash_one(0);
    let fixed = vec![Kill::AtEvent(1), Kill::BeforePayment, Kill::AfterPayment];
    for kills in [fixed, kills(seed), kills(seed.rotate_left(17)), kills(seed.rotate_left(41))] {
        let trial = trial("repeat", kills.clone()).await;
        assert_eq!(trial.ended().await, expected, "seed {seed}: {kills:?}");
        let ledger = trial.ledger.lock().unwrap();
        // Each payment was made under one key, however often it was asked for.
        let mut paid: Vec<_> = ledger.paid.values().copied().collect();
        paid.sort_unstable();
        assert_eq!(paid, [1, 2, 3], "seed {seed}: {kills:?}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_happened_is_not_made_again() {
    let trial = trial("tell", [Kill::AfterPayment]).await;
    let (outcome, said) = trial.ended().await;
    assert_eq!(outcome, Outcome::Final { text: "Paid thrice.".into() });
    let ledger = trial.ledger.lock().unwrap();
    assert_eq!((ledger.attempts, ledger.paid.len()), (3, 3));
    assert!(said.contains("Nobody knows whether it took effect"), "{said}");
}
