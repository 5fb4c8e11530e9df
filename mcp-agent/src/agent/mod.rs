//! An agent: a model, its tools, and the terms of their work together.

mod ask;
mod call;
mod drive;
mod event;
mod hooks;
mod journal;
mod lanes;
mod retry;
mod typed;

use std::{
    collections::BTreeMap,
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::{mpsc, watch};

use self::drive::Driving;
pub use self::{
    event::{AgentError, AgentEvent, Finished},
    hooks::{
        EndAction, Hooks, ModelCallAction, OutputAction, Person, ResponseAction, ToolCallAction,
    },
    journal::{Journal, JournalError},
    lanes::CallOrder,
    retry::RetryPolicy,
    typed::TypedError,
};
use crate::{
    model::{BoxFuture, ChatModel, Parts, ToolChoice, ToolDefinition},
    policy::{Grants, Policy},
    prices::PriceTable,
    run::{Budget, Compaction, Feed, Run, RunSettings, Step, TokenPrices},
    toolbox::{Artifacts, ToolFacts, Toolbox, Toolset, results::ResultLimits},
    transcript::Transcript,
};

/// A model that works with tools. Cloning is cheap and gives another handle to the same agent; its
/// runs are independent of each other.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_agent::{Agent, model::scripted::{Scene, ScriptedModel}, toolbox::LocalTools};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add { a: i64, b: i64 }
///
/// let model = ScriptedModel::new([
///     Scene::call("add", r#"{"a": 21, "b": 21}"#),
///     Scene::text("The sum is 42."),
/// ]);
/// let tools = LocalTools::new()
///     .tool("add", "Adds two numbers.", |add: Add| async move { (add.a + add.b).to_string() });
/// let agent = Agent::builder(model).tools(tools).build();
/// let finished = agent.run("What is 21 + 21?").await?;
/// assert_eq!(finished.outcome.text(), "The sum is 42.");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(example())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Agent(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    model: Arc<dyn ChatModel>,
    tools: Arc<Toolbox>,
    system: Option<String>,
    settings: RunSettings,
    parallel_calls: usize,
    call_order: CallOrder,
    result_limits: ResultLimits,
    artifacts: Artifacts,
    retry: RetryPolicy,
    hooks: Vec<Arc<dyn Hooks>>,
    person: Option<Arc<dyn Person>>,
    journal: Option<Arc<dyn Journal>>,
    grants: Grants,
}

/// Puts an [`Agent`] together.
#[must_use]
pub struct AgentBuilder {
    model: Arc<dyn ChatModel>,
    tools: Vec<Arc<dyn Toolset>>,
    system: Option<String>,
    settings: RunSettings,
    parallel_calls: usize,
    call_order: CallOrder,
    result_limits: ResultLimits,
    retry: RetryPolicy,
    hooks: Vec<Arc<dyn Hooks>>,
    person: Option<Arc<dyn Person>>,
    journal: Option<Arc<dyn Journal>>,
    grants: Grants,
    prices: Option<TokenPrices>,
}

impl Agent {
    /// Begins with a model; everything else has a default.
    pub fn builder(model: impl ChatModel + 'static) -> AgentBuilder {
        AgentBuilder {
            model: Arc::new(model),
            tools: Vec::new(),
            system: None,
            settings: RunSettings::default(),
            parallel_calls: 10,
            call_order: CallOrder::default(),
            result_limits: ResultLimits::default(),
            retry: RetryPolicy::default(),
            hooks: Vec::new(),
            person: None,
            journal: None,
            grants: Grants::new(),
            prices: None,
        }
    }

    /// Starts a new conversation with this prompt. Nothing happens before the run is awaited or
    /// polled.
    pub fn run(&self, prompt: impl Into<Parts>) -> AgentRun {
        let mut transcript = Transcript::new();
        if let Some(system) = &self.0.system {
            transcript.push_system(system.as_str());
        }
        self.go_on(transcript, prompt)
    }

    /// Goes on with a conversation, such as the one in [`Finished::run`], as a new run.
    pub fn go_on(&self, transcript: Transcript, prompt: impl Into<Parts>) -> AgentRun {
        self.drive_with(self.begin(transcript), vec![Feed::Prompt(prompt.into().0)])
    }

    /// A run of this agent that goes on from this transcript, not prompted yet.
    pub fn begin(&self, transcript: Transcript) -> Run {
        let tools = self.tools();
        let facts = self.facts(&tools);
        let mut settings = self.0.settings.clone();
        settings.output = settings.output.map(|output| self.settled(&output, !tools.is_empty()));
        Run::new(transcript, tools, settings).with_facts(facts).with_grants(self.0.grants.clone())
    }

    /// Goes on with a run by a further prompt. Tools that changed meanwhile are exchanged, in a way
    /// that leaves the start of the requests as it was wherever that is possible.
    pub fn prompt(&self, run: Run, prompt: impl Into<Parts>) -> AgentRun {
        let tools = self.tools();
        let facts = self.facts(&tools);
        let change = run.change_of_tools(&tools, facts);
        let waits = !matches!(run.step(), Step::Done(_) | Step::CallModel(_) | Step::Compact(_));
        let cancel = waits.then(|| Feed::Cancel { reason: "the user went on".to_owned() });
        let prompt = Feed::Prompt(prompt.into().0);
        self.drive_with(run, cancel.into_iter().chain(change).chain([prompt]).collect())
    }

    /// Drives a run that was begun elsewhere, that waited for a person, or that stopped and was
    /// [extended](Run::extend). It keeps its own tools and terms. Calls that were pending when it
    /// was written down are made; those that may have been made already only where that is
    /// [safe](crate::run::InDoubt).
    pub fn drive(&self, run: Run) -> AgentRun {
        self.drive_with(run, Vec::new())
    }

    /// As [`drive`](Self::drive), after the run took this in: what a person decided or answered, or
    /// [`Feed::Extend`]. A journal hears of it, which it does not when the run itself is fed.
    pub fn drive_after(&self, run: Run, feeds: impl IntoIterator<Item = Feed>) -> AgentRun {
        self.drive_with(run, feeds.into_iter().collect())
    }

    fn drive_with(&self, run: Run, first: Vec<Feed>) -> AgentRun {
        AgentRun::new(Arc::clone(&self.0), run, first)
    }

    fn facts(&self, tools: &[ToolDefinition]) -> BTreeMap<String, ToolFacts> {
        tools.iter().map(|tool| (tool.name.clone(), self.0.tools.facts(&tool.name))).collect()
    }

    /// What another agent's conversation is to this one: all that was said, under its own rules.
    pub(crate) fn transcript_after(&self, other: &Transcript) -> Transcript {
        let mut transcript = other.without_rules();
        if let Some(system) = &self.0.system {
            transcript.put_rules_first(system);
        }
        transcript
    }

    /// The tools as the model is shown them, sorted by name.
    pub fn tools(&self) -> Arc<[ToolDefinition]> {
        Arc::clone(&self.0.tools.snapshot().tools)
    }

    /// What the model costs, where the agent was told.
    pub fn prices(&self) -> Option<TokenPrices> {
        self.0.settings.budget.prices
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn ChatModel> {
        &self.0.model
    }
}

impl AgentBuilder {
    /// Adds tools; of several toolsets all are offered.
    pub fn tools(mut self, tools: impl Toolset + 'static) -> Self {
        self.tools.push(Arc::new(tools));
        self
    }

    /// Rules for the model, said before everything else.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(text.into());
        self
    }

    /// How many times the model may answer one prompt; 20 by default. A run that reaches it runs
    /// the tools of the last answer, stops with what there is, and can go on.
    pub fn max_steps(mut self, steps: u32) -> Self {
        self.settings.max_steps = steps.max(1);
        self
    }

    /// Whether the first answer must, may or must not call a tool.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.settings.tool_choice = choice;
        self
    }

    /// Randomness, 0 for none; the provider's default without a word.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.settings.temperature = Some(temperature);
        self
    }

    /// The longest single answer, in tokens.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.settings.max_tokens = Some(tokens);
        self
    }

    /// All terms at once, in place of those set before.
    pub fn settings(mut self, settings: RunSettings) -> Self {
        self.settings = settings;
        self
    }

    /// How many calls of one turn may run at the same time; 10 by default.
    pub fn parallel_calls(mut self, calls: usize) -> Self {
        self.parallel_calls = calls.max(1);
        self
    }

    /// In what order the calls of one turn run.
    pub fn call_order(mut self, order: CallOrder) -> Self {
        self.call_order = order;
        self
    }

    /// What may be spent on one prompt.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.settings.budget = budget;
        self
    }

    /// What the model costs by this table, unless the [budget](Self::budget) says it.
    pub fn prices(mut self, table: &PriceTable) -> Self {
        self.prices = table.of(self.model.id());
        self
    }

    /// Which calls run. Where the policy wants a person asked and [nobody](Self::person) is there,
    /// the run pauses.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// What a person allowed before, such as the [grants](Run::grants) of an earlier run.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// Who decides about calls and answers the questions of tools.
    pub fn person(mut self, person: impl Person + 'static) -> Self {
        self.person = Some(Arc::new(person));
        self
    }

    /// Adds hooks; those added first are heard first.
    pub fn hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        self.hooks.push(Arc::new(hooks));
        self
    }

    /// Where runs are written down while they go on.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Some(Arc::new(journal));
        self
    }

    /// When to summarise the start of a long conversation; never without it.
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.settings.compaction = Some(compaction);
        self
    }

    /// Ends the run when the model calls this tool, so that this agent can go on: see
    /// [`Outcome::HandedOver`](crate::run::Outcome::HandedOver).
    pub fn handover(mut self, tool: impl Into<String>, agent: impl Into<String>) -> Self {
        self.settings.handovers.insert(tool.into(), agent.into());
        self
    }

    /// How much of a tool's result the model is shown. What is cut is kept for it to read on.
    pub fn result_limits(mut self, limits: ResultLimits) -> Self {
        self.result_limits = limits;
        self
    }

    /// When to ask again after the model's provider failed.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The agent.
    pub fn build(mut self) -> Agent {
        let artifacts = Artifacts::default();
        self.tools.push(Arc::new(artifacts.clone()));
        let budget = &mut self.settings.budget;
        budget.prices = budget.prices.or(self.prices);
        Agent(Arc::new(Shared {
            model: self.model,
            tools: Arc::new(Toolbox::new(self.tools)),
            system: self.system,
            settings: self.settings,
            parallel_calls: self.parallel_calls,
            call_order: self.call_order,
            result_limits: self.result_limits,
            artifacts,
            retry: self.retry,
            hooks: self.hooks,
            person: self.person,
            journal: self.journal,
            grants: self.grants,
        }))
    }
}

/// A run under way. Await it for the end, or take its events as a stream; the last one is
/// [`AgentEvent::Finished`] or an error.
///
/// No task runs in the background: the run goes on while it is polled. Dropping it abandons the
/// model's answer and the tools that are running.
#[must_use = "nothing happens before the run is awaited or polled"]
pub struct AgentRun {
    events: mpsc::UnboundedReceiver<AgentEvent>,
    driving: Option<BoxFuture<'static, Result<Finished, AgentError>>>,
    /// The end, while earlier events wait to be read.
    last: Option<Result<AgentEvent, AgentError>>,
    cancel: watch::Sender<Option<String>>,
    steer: mpsc::UnboundedSender<Parts>,
    observer: drive::Observer,
}

/// Ends a run from elsewhere, such as a handler of Ctrl-C. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Canceller(watch::Sender<Option<String>>);

impl Canceller {
    /// Ends the run: tools are abandoned, and it finishes with [`Stop::Cancelled`] and all that
    /// was said in complete turns. Does nothing to a run that has finished.
    ///
    /// [`Stop::Cancelled`]: crate::run::Stop::Cancelled
    pub fn cancel(&self, reason: impl Into<String>) {
        self.0.send_replace(Some(reason.into()));
    }
}

/// Speaks to the model in the middle of a run. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Steering(mpsc::UnboundedSender<Parts>);

impl Steering {
    /// Tells the model this before it goes on: after the tools that are running, or after the
    /// answer that it is giving. Returns whether the run was still going on.
    pub fn say(&self, parts: impl Into<Parts>) -> bool {
        self.0.send(parts.into()).is_ok()
    }
}

impl AgentRun {
    fn new(agent: Arc<Shared>, run: Run, first: Vec<Feed>) -> Self {
        // Not bounded by a number but by the reader: without its polls nothing is sent.
        let (sender, events) = mpsc::unbounded_channel();
        let (cancel, cancelled) = watch::channel(None);
        let observer = drive::Observer::default();
        let (steer, steering) = mpsc::unbounded_channel();
        let driving =
            Driving { run, first, events: sender, cancelled, steering, observer: observer.clone() };
        let driving = drive::drive(agent, driving);
        Self { events, driving: Some(Box::pin(driving)), last: None, cancel, steer, observer }
    }

    /// A handle that speaks to the model in the middle of the run.
    pub fn steering(&self) -> Steering {
        Steering(self.steer.clone())
    }

    /// A handle that ends the run.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.cancel.clone())
    }

    /// Shows the run to `observer` after every step, so that it can be written down and go on from
    /// there in another process.
    pub fn on_step(self, observer: impl FnMut(&Run) + Send + 'static) -> Self {
        self.observer.set(observer);
        self
    }

    /// The next event; `None` after the last.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<AgentEvent, AgentError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for AgentRun {
    type Item = Result<AgentEvent, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(Some(event)) = this.events.poll_recv(cx) {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some(driving) = &mut this.driving
            && let Poll::Ready(ended) = driving.as_mut().poll(cx)
        {
            this.driving = None;
            this.last = Some(ended.map(|finished| AgentEvent::Finished(Box::new(finished))));
        }
        // What was sent on the way comes before the end.
        match this.events.poll_recv(cx) {
            Poll::Ready(Some(event)) => Poll::Ready(Some(Ok(event))),
            _ if this.driving.is_none() => Poll::Ready(this.last.take()),
            _ => Poll::Pending,
        }
    }
}

impl IntoFuture for AgentRun {
    type Output = Result<Finished, AgentError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        // Nobody listens: the events go nowhere.
        self.events.close();
        Box::pin(async move {
            match self.driving.take() {
                Some(driving) => driving.await,
                None => Err(AgentError::AlreadyFinished),
            }
        })
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("model", self.0.model.id()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AgentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBuilder").field("model", self.model.id()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AgentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRun")
            .field("finished", &self.driving.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
