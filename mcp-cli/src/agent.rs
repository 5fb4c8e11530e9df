//! Brings servers, approval and a model together.

use std::{cell::RefCell, future::pending, sync::Arc};

use mcp_agent::{
    Agent, AgentBuilder, AgentRun, Canceller,
    agents::{Agents, MAX_HANDOVERS},
    context::{EveryTurn, LiveContext, LiveOptions},
    glob::matches,
    model::Parts,
    run::Compaction,
    store::SqliteStore,
    toolbox::{
        Filtered, McpTool, McpToolset, SearchMode, SearchOptions, Searchable, ServerContents,
        ServerCost, Toolset,
    },
};
use mcp_client::{Hub, HubOptions};

use crate::{
    args::{AgentOptions, Approve, LayerOptions, ModelOptions, Offer, ServerOptions, ToolSearch},
    connect::choose,
    context::Context,
    conversation::{Approval, Asker, Questions, Terms, Turn, Watched},
    declared_agents,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    measure::{count, show_time},
    models::{self, FoundModel},
    pins,
    printer::Printer,
    progress::wait,
    reload::{Following, Selection},
    required::Required,
    server_line::say_that_demo_is_used,
    settings::DEMO,
    targets,
    terminal_text::one_line,
};

/// What the command line says about a conversation.
#[derive(Debug)]
pub(crate) struct Company<'a> {
    pub(crate) servers: &'a [String],
    /// After `--`.
    pub(crate) command: &'a [String],
    pub(crate) approve: Option<Approve>,
    pub(crate) options: &'a ServerOptions,
    pub(crate) layers: &'a LayerOptions,
    pub(crate) model: &'a ModelOptions,
    /// A declared agent to ask.
    pub(crate) agent: &'a AgentOptions,
    pub(crate) terms: &'a Terms,
    /// Where the conversation is kept.
    pub(crate) store: Option<SqliteStore>,
    /// Whether a person is there for more than one question.
    pub(crate) chats: bool,
}

/// A model with its tools, ready to be asked.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) agent: Agent,
    /// Those that the agent can hand over to, where it was declared.
    pub(crate) agents: Option<Agents>,
    pub(crate) tools: Arc<McpToolset>,
    pub(crate) questions: Questions,
    /// Such as `qwen3:8b at http://127.0.0.1:11434/v1`.
    pub(crate) model_name: String,
    /// The servers that are up.
    pub(crate) servers: Vec<String>,
    /// The resources of `-r`.
    pub(crate) live: Option<Arc<LiveContext>>,
    /// Whether they are told once, and then what changed.
    tells_once: bool,
    /// Heeds changes of the configuration for as long as it lives.
    pub(crate) _following: Option<Following>,
}

/// Starts the servers and finds the model, side by side.
pub(crate) async fn assemble(request: Company<'_>, context: &Context) -> Result<Assembled> {
    let declared = declared_agents::choose(request.agent)?;
    let configured = context.settings.configured()?;
    let targets = targets::parse(request.servers)?;
    let chosen = choose(&targets, request.command, &configured, request.options)?;
    let is_named = !targets.is_empty() || !request.command.is_empty();
    if !is_named && configured.is_empty() {
        say_that_demo_is_used(context);
    }
    let only_demo = chosen.servers.iter().all(|server| server.name == DEMO);
    let approval = match request.approve {
        Some(Approve::Auto) => Approval::All,
        Some(Approve::Never) => Approval::ReadOnly,
        // Whoever names a server on the command line wants it used.
        None if !request.chats && (is_named || only_demo) => Approval::All,
        Some(Approve::Ask | Approve::Later) | None => Approval::Ask,
    };
    let layers = request.layers.options(&chosen)?;
    let starting: Vec<String> = chosen.servers.iter().map(|server| server.name.clone()).collect();
    let prepare = |options: &mut HubOptions| {
        options.await_restart = request.layers.await_restart;
        context.let_servers_ask(options);
    };
    // Questions are put while an answer is watched.
    context.elicitation.close();
    let mut required = Required::of(&chosen);
    required.are_usable()?;
    let hub = context.start_with(chosen.servers, prepare).await?;
    hub.report_problems(chosen.problems);
    required.are_up(&hub, context).await?;
    let following = request.chats.then(|| {
        let selection = Selection::new(targets, request.command, request.options);
        context.follow(&hub, selection)
    });
    let listing = McpToolset::of_hub(hub.clone());
    // Declared agents name their models themselves.
    let finding = async {
        if declared.is_some() {
            None
        } else {
            Some(Box::pin(models::find(&request.model.answer.choice, context)).await)
        }
    };
    let both = async { tokio::join!(listing, finding) };
    let (tools, model) = wait(&context.messages, both, |elapsed| {
        format!("starting {}  {}", starting.join(", "), show_time(elapsed))
    })
    .await;
    let model = model.transpose()?;
    let servers: Vec<String> = hub.clients().into_iter().map(|(name, _)| name).collect();
    let problems = tools.problems();
    if servers.is_empty() {
        let mut report = Report::new(ErrorCode::Unreachable, "no server could be started");
        for problem in &problems {
            report = report.cause(format!("{}: {}", problem.server, one_line(&problem.reason)));
        }
        return Err(report.help("`mcp tools` says more about each").into());
    }
    for problem in problems {
        let tool = problem.tool.map(|tool| format!(".{}", one_line(&tool))).unwrap_or_default();
        let reason = one_line(&problem.reason);
        context.messages.warning(format_args!("without {}{tool}: {reason}", problem.server));
    }
    let tools = Arc::new(tools.layers(&layers));
    let (asker, questions) = Asker::new();
    let held = pins::held(&tools, &hub, context);
    let filtered = only_chosen(held, &tools, &request.model.answer.tools)?;
    let search = search_options(request.model);
    let shown = Searchable::new(Arc::clone(&filtered), search.clone());
    say_what_tools_cost(&shown, context);
    let live = live_context(&hub, &request.model.resources, context).await?.map(Arc::new);
    let every_turn = live.clone().filter(|_| request.model.every_turn).map(EveryTurn::new);
    let contents = ServerContents::new(hub.clone());
    let offered = request.model.offer.clone();
    let policy = request.terms.policy(approval.policy());
    let policy = match &declared {
        Some(chosen) => chosen.allow(policy),
        None => policy,
    };
    let (budget, store) = (request.terms.budget(), request.store);
    let answers_later = request.approve == Some(Approve::Later);
    let compaction = request.model.context_window.map(Compaction::of_window);
    let prices = request.terms.prices.clone().unwrap_or_default();
    let configure = move |builder: AgentBuilder| {
        let builder = builder.policy(policy.clone()).budget(budget.clone()).prices(&prices);
        let builder = if answers_later { builder } else { builder.person(asker.clone()) };
        let builder = offered.iter().fold(builder, |builder, what| match what {
            Offer::Resources => builder.tools(contents.resources()),
            Offer::Prompts => builder.tools(contents.prompts()),
        });
        let builder = match &every_turn {
            Some(every_turn) => builder.hooks(every_turn.clone()),
            None => builder,
        };
        let builder = match compaction {
            Some(compaction) => builder.compaction(compaction),
            None => builder,
        };
        match &store {
            Some(store) => builder.journal(store.clone()),
            None => builder,
        }
    };
    let (agent, agents, model_name) = match (declared, model) {
        (Some(chosen), _) => {
            let team = chosen.team(&request.model.answer, filtered, search, configure, context);
            let team = Box::pin(team).await?;
            (team.first, Some(team.agents), team.model_name)
        }
        (None, Some(FoundModel { model, name })) => {
            let builder =
                Agent::builder(model).tools(shown).max_steps(request.model.answer.max_steps);
            let builder = match &request.model.answer.system {
                Some(system) => builder.system(system),
                None => builder,
            };
            (configure(builder).build(), None, name)
        }
        (None, None) => return Err(Report::new(ErrorCode::NoModel, "no model was found").into()),
    };
    request.terms.check_price(&agent)?;
    for (name, _) in agents.iter().flat_map(Agents::list) {
        agents
            .iter()
            .filter_map(|agents| agents.get(name))
            .try_for_each(|agent| request.terms.check_price(agent))?;
    }
    Ok(Assembled {
        agent,
        agents,
        tools,
        questions,
        model_name,
        servers,
        live,
        tells_once: !request.model.every_turn,
        _following: following.flatten(),
    })
}

impl Assembled {
    /// A question as the model is told it, with what is new of the resources of `-r`.
    pub(crate) fn question(&self, parts: impl Into<Parts>) -> Parts {
        match &self.live {
            Some(live) if self.tells_once => live.turn(parts),
            _ => parts.into(),
        }
    }

    /// Watches a run to its end, and those of the agents that the conversation is handed over to;
    /// the last of them is asked from then on. `under_way` is kept at the run that goes on.
    pub(crate) async fn watch(
        &mut self,
        mut run: AgentRun,
        streams: bool,
        under_way: &RefCell<Canceller>,
        context: &Context,
        printer: &mut Printer,
    ) -> Result<Watched> {
        let mut earlier: Option<Watched> = None;
        for _ in 0..=MAX_HANDOVERS {
            let turn = Turn {
                context,
                printer,
                tools: &self.tools,
                questions: &mut self.questions,
                streams,
            };
            let watched = turn.watch(run).await?;
            let watched = match earlier.take() {
                Some(earlier) => watched.after(earlier),
                None => watched,
            };
            let (Some(agents), Ok(finished)) = (&self.agents, &watched.ended) else {
                return Ok(watched);
            };
            let next = agents
                .take_over(finished)
                .map_err(|error| Report::new(ErrorCode::Config, error.to_string()))?;
            let Some((name, next)) = next else { return Ok(watched) };
            context.messages.note(format_args!("handed over to {name}"));
            if let Some(agent) = agents.get(&name) {
                self.agent = agent.clone();
            }
            under_way.replace(next.canceller());
            run = next;
            earlier = Some(watched);
        }
        let message = "the agents hand the conversation over again and again";
        Err(Report::new(ErrorCode::Incomplete, message).into())
    }
}

fn search_options(model: &ModelOptions) -> SearchOptions {
    let mut options = SearchOptions::default();
    if let Some(tokens) = model.context_window {
        options.context_window = usize::try_from(tokens).unwrap_or(usize::MAX);
    }
    options.mode = match model.tool_search {
        ToolSearch::Auto => SearchMode::Auto,
        ToolSearch::Always => SearchMode::Always,
        ToolSearch::Never => SearchMode::Never,
    };
    options
}

fn say_what_tools_cost(tools: &Searchable<impl Toolset>, context: &Context) {
    let costs = tools.costs();
    if !costs.is_too_much {
        return;
    }
    let name = |cost: &ServerCost| cost.server.clone().unwrap_or_else(|| "others".to_owned());
    let servers: Vec<_> = costs
        .servers
        .iter()
        .map(|cost| format!("{} {} in {}", name(cost), cost.tokens, count(cost.tools, "tool")))
        .collect();
    let then = if costs.searches { "; the model searches them" } else { "" };
    let (tokens, servers) = (costs.tokens, servers.join(", "));
    context.messages.warning(format_args!("the tools take {tokens} tokens ({servers}){then}"));
}

/// Reads and watches the resources of `-r`.
async fn live_context(
    hub: &Hub,
    globs: &[String],
    context: &Context,
) -> Result<Option<LiveContext>> {
    if globs.is_empty() {
        return Ok(None);
    }
    let starting = LiveContext::start(hub.clone(), globs.iter().cloned(), LiveOptions::default());
    let live = wait(&context.messages, starting, |elapsed| {
        format!("reading resources  {}", show_time(elapsed))
    })
    .await;
    if live.resources().is_empty() {
        let report = Report::new(ErrorCode::Usage, "no resource matches --resource");
        return Err(report.help("`mcp resources` lists them").into());
    }
    Ok(Some(live))
}

/// Says which pinned resources changed since the model read them.
pub(crate) fn say_what_changed(agent: &Assembled, advice: &str, context: &Context) {
    if let Some(text) = what_changed(agent, advice) {
        context.messages.note(text);
    }
}

/// Waits until pinned resources change, and tells which; for ever where that is known already.
pub(crate) async fn next_change(agent: &Assembled, advice: &str) -> String {
    if let (Some(live), None) = (&agent.live, what_changed(agent, advice)) {
        live.changed().await;
        if let Some(text) = what_changed(agent, advice) {
            return text;
        }
    }
    pending().await
}

fn what_changed(agent: &Assembled, advice: &str) -> Option<String> {
    let changed: Vec<_> = agent.live.iter().flat_map(|live| live.changes()).collect();
    let uris: Vec<_> = changed.iter().map(|change| one_line(&change.uri)).collect();
    let uris = Some(uris.join(", ")).filter(|uris| !uris.is_empty())?;
    Some(format!("changed since the answer: {uris}. {advice}"))
}

/// Whether a tool matches one of the patterns, or there are none.
pub(crate) fn is_chosen(tool: &McpTool, patterns: &[String]) -> bool {
    let full = format!("{}.{}", tool.server, tool.tool.name);
    patterns.is_empty()
        || patterns.iter().any(|glob| matches(glob, &full) || matches(glob, &tool.tool.name))
}

/// The tools that match one of the patterns, or all where there are none; at least one must match
/// now. `tools` are the same as `listed`, held to what else is laid down.
pub(crate) fn only_chosen(
    tools: Arc<dyn Toolset>,
    listed: &Arc<McpToolset>,
    patterns: &[String],
) -> Result<Arc<dyn Toolset>> {
    let all = listed.tools();
    if !all.is_empty() && !all.iter().any(|(_, tool)| is_chosen(tool, patterns)) {
        let report = Report::new(ErrorCode::Usage, "no tool matches --tool");
        return Err(report.help("`mcp tools` lists them").into());
    }
    if patterns.is_empty() {
        return Ok(tools);
    }
    let (listed, patterns) = (Arc::clone(listed), patterns.to_vec());
    Ok(Arc::new(Filtered::new(tools, move |tool| {
        // Servers may come and go.
        listed.tool(&tool.name).is_some_and(|tool| is_chosen(&tool, &patterns))
    })))
}
