//! Brings servers, approval and a model together.

use std::{collections::BTreeSet, sync::Arc};

use mcp_agent::{
    Agent,
    context::{LiveContext, LiveOptions},
    glob::matches,
    store::SqliteStore,
    toolbox::{
        Filtered, McpTool, McpToolset, SearchMode, SearchOptions, Searchable, ServerCost, Toolset,
    },
};
use mcp_client::Hub;

use crate::{
    args::{Approve, LayerOptions, ModelOptions, ServerOptions, ToolSearch},
    connect::choose,
    context::Context,
    conversation::{Approval, Asker, Questions, Terms},
    error_report::{Report, Result},
    exit_code::ErrorCode,
    measure::{count, show_time},
    models::{self, FoundModel},
    pins,
    progress::wait,
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
    pub(crate) tools: Arc<McpToolset>,
    pub(crate) questions: Questions,
    /// Such as `qwen3:8b at http://127.0.0.1:11434/v1`.
    pub(crate) model_name: String,
    /// The servers that are up.
    pub(crate) servers: Vec<String>,
    /// The resources of `-r`.
    pub(crate) live: Option<LiveContext>,
}

/// Starts the servers and finds the model, side by side.
pub(crate) async fn assemble(request: Company<'_>, context: &Context) -> Result<Assembled> {
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
        Some(Approve::Ask) | None => Approval::Ask,
    };
    let layers = request.layers.options(&chosen.servers)?;
    let starting: Vec<String> = chosen.servers.iter().map(|server| server.name.clone()).collect();
    let hub = context.start(chosen.servers).await?;
    hub.report_problems(chosen.problems);
    let listing = McpToolset::of_hub(hub.clone());
    let both = async { tokio::join!(listing, models::find(request.model, context)) };
    let (tools, model) = wait(&context.messages, both, |elapsed| {
        format!("starting {}  {}", starting.join(", "), show_time(elapsed))
    })
    .await;
    let model = model?;
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
    let offered = chosen_tools(&tools, &request.model.tools)?;
    let held = pins::held(&tools, &hub, context);
    let filtered = Filtered::new(held, move |tool| offered.contains(&tool.name));
    let tools_shown = Searchable::new(filtered, search_options(request.model.tool_search));
    say_what_tools_cost(&tools_shown, context);
    let live = live_context(&hub, &request.model.resources, context).await?;
    let FoundModel { model, name } = model;
    let mut builder = Agent::builder(model)
        .tools(tools_shown)
        .max_steps(request.model.max_steps)
        .policy(request.terms.policy(approval.policy()))
        .budget(request.terms.budget())
        .person(asker);
    if let Some(store) = request.store {
        builder = builder.journal(store);
    }
    if let Some(system) = &request.model.system {
        builder = builder.system(system);
    }
    Ok(Assembled { agent: builder.build(), tools, questions, model_name: name, servers, live })
}

fn search_options(search: ToolSearch) -> SearchOptions {
    let mut options = SearchOptions::default();
    options.mode = match search {
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
pub(crate) fn say_what_changed(live: Option<&LiveContext>, advice: &str, context: &Context) {
    let changed: Vec<_> = live.into_iter().flat_map(LiveContext::changes).collect();
    if !changed.is_empty() {
        let uris: Vec<_> = changed.iter().map(|change| one_line(&change.uri)).collect();
        context
            .messages
            .note(format_args!("changed since the answer: {}. {advice}", uris.join(", ")));
    }
}

/// Whether a tool matches one of the patterns, or there are none.
pub(crate) fn is_chosen(tool: &McpTool, patterns: &[String]) -> bool {
    let full = format!("{}.{}", tool.server, tool.tool.name);
    patterns.is_empty()
        || patterns.iter().any(|glob| matches(glob, &full) || matches(glob, &tool.tool.name))
}

/// The names, as the model knows them, of the tools that match one of the patterns.
fn chosen_tools(tools: &McpToolset, patterns: &[String]) -> Result<BTreeSet<String>> {
    let all = tools.tools();
    let chosen: BTreeSet<_> = all
        .iter()
        .filter(|(_, tool)| is_chosen(tool, patterns))
        .map(|(name, _)| name.clone())
        .collect();
    if chosen.is_empty() && !all.is_empty() {
        let report = Report::new(ErrorCode::Usage, "no tool matches --tool");
        return Err(report.help("`mcp tools` lists them").into());
    }
    Ok(chosen)
}
