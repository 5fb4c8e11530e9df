//! Calls of legacy servers that wait for a modern client's answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_protocol::{
    error_code,
    input_required::{InputRequest, InputRequests, InputRequired, InputResponses, RequestState},
    jsonrpc::ErrorObject,
    raw::RawJson,
};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    asked::Caller,
    login::Terms,
    relay::{self, Ear, Heard, Said},
    round::{Round, of_another_request},
    rounds::{Told, for_another_connection, internal, told, write_asked},
    way::Way,
};
use crate::{
    caller::{self, Answers, Operation},
    model::BoxFuture,
    service::{access::random_token, running::Aside},
};

/// How long a server's question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many calls wait; the one that has waited longest gives way.
const MAX_WAITING: usize = 256;

/// The calls that wait, by the state that their clients give back.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<String, Parked>>);

struct Parked {
    _aside: Aside,
    call: Call,
    since: Instant,
}

/// A call under way. It ends when this is dropped.
struct Call {
    /// What its later rounds must repeat.
    server: Arc<str>,
    operation: Arc<Operation>,
    task: JoinSet<Told>,
    heard: Heard,
    questions: InputRequests,
    open: HashMap<String, oneshot::Sender<Result<RawJson, ErrorObject>>>,
    asked: u64,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Parked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call, or goes on with one that waits, up to its end or the next question.
    pub(super) async fn go_on(
        &self,
        way: &Way,
        call: caller::Call,
        caller: &Caller<'_>,
        round: Round,
    ) -> Result<RawJson, ErrorObject> {
        let mut call = match round.state {
            None => Call::begin(way.clone(), call, caller),
            Some(state) => {
                let mut waiting = self.take(&state, &call)?;
                waiting.answer(&round.responses);
                waiting
            }
        };
        match call.drive(caller).await {
            Some(told) => caller.hears(told),
            None => self.park(call, way),
        }
    }

    fn take(&self, state: &RequestState, call: &caller::Call) -> Result<Call, ErrorObject> {
        let invalid = |text: &str| ErrorObject::new(error_code::INVALID_PARAMS, text);
        let mut waiting = self.lock();
        let state = state.text().map_err(|error| invalid(&error.to_string()))?;
        let parked = waiting.remove(&state);
        let parked = parked.ok_or_else(|| {
            invalid("no call waits with this `requestState`: it is over, or never was")
        })?;
        if parked.call.server != call.server || parked.call.operation != call.operation {
            waiting.insert(state, parked);
            return Err(of_another_request());
        }
        Ok(parked.call)
    }

    fn park(&self, call: Call, way: &Way) -> Result<RawJson, ErrorObject> {
        let token = random_token().map_err(|error| internal(error.to_string()))?;
        let state = token.reveal().to_owned();
        let asked = InputRequired::new(call.questions.clone(), Some(RequestState::new(&state)));
        let server = Arc::clone(&call.server);
        let mut waiting = self.lock();
        waiting
            .retain(|_, parked| !parked.call.task.is_empty() && parked.since.elapsed() < PATIENCE);
        if waiting.len() >= MAX_WAITING
            && let Some(oldest) = waiting.iter().min_by_key(|(_, parked)| parked.since)
        {
            let oldest = oldest.0.clone();
            waiting.remove(&oldest);
        }
        waiting.insert(state, Parked { _aside: way.aside(), call, since: Instant::now() });
        write_asked(asked, &server)
    }
}

impl Call {
    fn begin(way: Way, call: caller::Call, caller: &Caller<'_>) -> Self {
        let (ear, heard) = relay::ear();
        let (server, operation) = (Arc::clone(&call.server), Arc::clone(&call.operation));
        let asker = ear.clone();
        let asking = Arc::new(move |question| -> BoxFuture<'static, _> {
            Box::pin(put(asker.clone(), for_another_connection(question)))
        });
        let call = ear.listen_to(call, caller).dialog(caller.dialog(Answers::Each(asking)));
        let terms = Terms::new(caller, call.operation.tool().is_some());
        let mut task = JoinSet::new();
        let name = Arc::clone(&server);
        let calling = caller.scope.clone().within(async move { way.call(call).await });
        task.spawn(async move { told(calling.await, &name, terms) });
        let (questions, open) = (InputRequests::default(), HashMap::new());
        Self { server, operation, task, heard, questions, open, asked: 0 }
    }

    /// Hands the answers over. What is left without one is asked again.
    fn answer(&mut self, responses: &InputResponses) {
        let questions = std::mem::take(&mut self.questions);
        for (key, question) in questions {
            match (responses.get(&key), self.open.remove(&key)) {
                // Without a receiver the call has ended meanwhile.
                (Some(answer), Some(open)) => drop(open.send(Ok(answer.clone()))),
                (None, Some(open)) => {
                    self.open.insert(key.clone(), open);
                    self.questions.insert(key, question);
                }
                (_, None) => {}
            }
        }
    }

    /// Up to the end; `None` when something is asked first.
    async fn drive(&mut self, caller: &Caller<'_>) -> Option<Told> {
        if !self.questions.is_empty() {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                Some(said) = self.heard.recv() => match said {
                    Said::Question(question, open) => {
                        self.ask(question, open);
                        // Whatever is asked at the same time is handed out together.
                        while let Ok(said) = self.heard.try_recv() {
                            match said {
                                Said::Question(question, open) => self.ask(question, open),
                                said => caller.tell(said).await,
                            }
                        }
                        return None;
                    }
                    said => caller.tell(said).await,
                },
                ended = self.task.join_next() => {
                    while let Ok(said) = self.heard.try_recv() {
                        caller.tell(said).await;
                    }
                    return Some(match ended {
                        Some(Ok(told)) => told,
                        _ => Told::error(internal("the call broke off")),
                    });
                }
            }
        }
    }

    fn ask(&mut self, question: InputRequest, open: oneshot::Sender<Result<RawJson, ErrorObject>>) {
        self.asked += 1;
        let key = format!("question-{}", self.asked);
        self.questions.insert(key.clone(), question);
        self.open.insert(key, open);
    }
}

/// Puts a question to whoever drives the call.
async fn put(ear: Ear, question: InputRequest) -> Result<RawJson, ErrorObject> {
    let (open, answer) = oneshot::channel();
    let answered = async {
        ear.ask(question, open).await;
        answer.await
    };
    match timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => answer,
        _ => Err(internal("the client did not answer in time")),
    }
}
