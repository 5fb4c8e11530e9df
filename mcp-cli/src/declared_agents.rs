//! Agents that a file declares.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use etcetera::BaseStrategy as _;
use mcp_agent::{
    Agent, AgentBuilder,
    agents::{self, AgentDeclaration, Agents, DeclarationFileError},
    policy::{Policy, Rule},
    toolbox::{SearchOptions, Toolset},
};

use crate::{
    args::{AgentOptions, AnswerOptions, ModelChoice},
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    models,
    suggest::nearest,
};

/// An agent that was named, and those that it can turn to.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The one that was named.
    pub(crate) name: String,
    declared: Vec<AgentDeclaration>,
}

/// Agents that are ready to be asked.
#[derive(Debug)]
pub(crate) struct Team {
    /// The one that was named.
    pub(crate) first: Agent,
    /// All of them.
    pub(crate) agents: Agents,
    /// The model of the one that was named.
    pub(crate) model_name: String,
}

/// The file of the agents: the one that is named, else `agents.toml` or `agents.json` in the user's
/// folder of settings.
fn file(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    let folder = folders.config_dir().join("mcp");
    ["agents.toml", "agents.json"].map(|name| folder.join(name)).into_iter().find(|f| f.exists())
}

/// Reads the declarations, and checks that they fit together.
pub(crate) fn read(named: Option<&Path>) -> Result<Vec<AgentDeclaration>> {
    let Some(file) = file(named) else {
        let report = Report::new(ErrorCode::Config, "no agents are declared");
        return Err(report
            .help("write ~/.config/mcp/agents.toml, or name a file with --agents")
            .into());
    };
    let declared = agents::read(&file).map_err(|error| {
        let code = match error {
            DeclarationFileError::UnknownFormat { .. } => ErrorCode::Usage,
            _ => ErrorCode::Config,
        };
        Report::new(code, error.to_string()).causes_of(&error)
    })?;
    agents::check(&declared).map_err(|error| {
        let message = format!("{} does not declare agents that fit together", file.display());
        Report::new(ErrorCode::Config, message).cause(error.to_string())
    })?;
    Ok(declared)
}

/// The agent that the command line names, if it names one.
pub(crate) fn choose(options: &AgentOptions) -> Result<Option<Chosen>> {
    let Some(name) = &options.agent else { return Ok(None) };
    let mut declared = read(options.agents.as_deref())?;
    if declared.iter().all(|agent| agent.name != *name) {
        let names: Vec<&str> = declared.iter().map(|agent| agent.name.as_str()).collect();
        let report = Report::new(ErrorCode::Usage, format!("there is no agent `{name}`"));
        let known = format!("there are {}", names.join(", "));
        let near = nearest(name, names.iter().copied());
        return Err(report
            .help(near.map_or(known, |near| format!("did you mean `{near}`?")))
            .into());
    }
    // Only those that it can reach need a model.
    let mut reached = BTreeSet::from([name.clone()]);
    loop {
        let next: Vec<String> = declared
            .iter()
            .filter(|agent| reached.contains(&agent.name))
            .flat_map(|agent| agent.asks.iter().chain(&agent.hands_over_to))
            .filter(|other| !reached.contains(*other))
            .cloned()
            .collect();
        if next.is_empty() {
            break;
        }
        reached.extend(next);
    }
    declared.retain(|agent| reached.contains(&agent.name));
    Ok(Some(Chosen { name: name.clone(), declared }))
}

impl Chosen {
    /// Lets agents turn to each other without a question: whoever declared them wants that. What
    /// their tools do is asked about as ever.
    pub(crate) fn allow(&self, policy: Policy) -> Policy {
        let tools = self.declared.iter().flat_map(|agent| {
            let asked = agent.asks.iter().map(|name| format!("ask_{name}"));
            asked.chain(agent.hands_over_to.iter().map(|name| format!("hand_over_to_{name}")))
        });
        tools
            .filter_map(|tool| format!("allow {tool}").parse::<Rule>().ok())
            .fold(policy, Policy::rule)
    }

    /// Finds the models and puts the agents together.
    pub(crate) async fn team(
        self,
        options: &AnswerOptions,
        tools: Arc<dyn Toolset>,
        search: SearchOptions,
        configure: impl Fn(AgentBuilder) -> AgentBuilder + Send + Sync + 'static,
        context: &Context,
    ) -> Result<Team> {
        let Self { name, declared } = self;
        let wanted: BTreeSet<&String> =
            declared.iter().filter_map(|agent| agent.model.as_ref()).collect();
        let mut named = Vec::new();
        for model in wanted {
            let choice = ModelChoice { model: Some(model.clone()), ..options.choice.clone() };
            named.push((model.clone(), Box::pin(models::find(&choice, context)).await?));
        }
        let first = declared.iter().find(|agent| agent.name == name);
        let of_first = first.and_then(|agent| agent.model.clone());
        let mut model_name = None;
        let needs_default = declared.iter().any(|agent| agent.model.is_none());
        let mut builder = if needs_default || named.is_empty() {
            let found = Box::pin(models::find(&options.choice, context)).await?;
            model_name = Some(found.name);
            Agents::builder(found.model)
        } else {
            let (model, found) = named.remove(0);
            if of_first.as_ref() == Some(&model) {
                model_name = Some(found.name);
            }
            let shared: Arc<dyn mcp_agent::model::ChatModel> = Arc::from(found.model);
            Agents::builder(Arc::clone(&shared)).model(model, shared)
        };
        for (model, found) in named {
            if of_first.as_ref() == Some(&model) {
                model_name = Some(found.name);
            }
            builder = builder.model(model, found.model);
        }
        let agents = builder
            .tools(tools)
            .search(search)
            .declare(declared)
            .configure(move |_, builder| configure(builder))
            .build()
            .map_err(|error| Report::new(ErrorCode::Config, error.to_string()))?;
        let unknown = || Report::new(ErrorCode::Config, format!("there is no agent `{name}`"));
        let first = agents.get(&name).cloned().ok_or_else(unknown)?;
        Ok(Team { first, agents, model_name: model_name.unwrap_or_default() })
    }
}
