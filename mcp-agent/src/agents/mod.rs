//! Several agents: declared in a file or in code, called by name, each other's tools, and handing
//! a conversation over.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_agent::{agents::{AgentDeclaration, Agents}, model::scripted::{Scene, ScriptedModel}};
//!
//! let declared: Vec<AgentDeclaration> = serde_json::from_str(r#"[
//!     {"name": "poet", "description": "Writes verse.", "instructions": "Write in rhymes."},
//!     {"name": "editor", "description": "Answers.", "asks": ["poet"]}
//! ]"#)?;
//! // Both speak with the same script here: the editor asks, the poet answers, the editor ends.
//! let model = ScriptedModel::new([
//!     Scene::call("ask_poet", r#"{"task": "Two lines about rain."}"#),
//!     Scene::text("It rains, it pours, / on all the moors."),
//!     Scene::text("Here it is."),
//! ]);
//! let agents = Agents::builder(model).declare(declared).build()?;
//! let finished = agents.run("editor", "A poem, please.").await?;
//! assert_eq!(finished.outcome.text(), "Here it is.");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod colleagues;
mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use self::colleagues::{Asked, HandOver};
pub use self::file::{DeclarationFileError, DeclarationFormat, MalformedDeclarations, parse, read};
use crate::{
    Agent, AgentBuilder, AgentError, AgentRun, Finished,
    glob::matches,
    model::{ChatModel, Parts},
    run::Outcome,
    toolbox::{Filtered, SearchOptions, Searchable, Toolset},
};

/// How often a conversation can change hands before it is given back as it is.
pub const MAX_HANDOVERS: u32 = 8;

/// An agent, as a person declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentDeclaration {
    /// At most 40 characters of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// What it is good at, for people and for the other agents.
    pub description: String,
    /// Rules for its model.
    pub instructions: Option<String>,
    /// The name of its model among those of the registry; the first without a word.
    pub model: Option<String>,
    /// The tools that it has, as patterns for `server.tool` or for the names that models use; all
    /// without a word.
    pub tools: Option<Vec<String>>,
    /// The agents that it can ask. Each answers a task without knowing the conversation.
    pub asks: Vec<String>,
    /// The agents that it can hand its conversation over to. They know all that was said.
    pub hands_over_to: Vec<String>,
    /// How many times its model may answer one prompt.
    pub max_steps: Option<u32>,
}

/// The declarations do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentsError {
    /// The name cannot be part of a tool's name.
    #[error("`{name}` is no name for an agent: use at most 40 letters, digits, `_` and `-`")]
    Name {
        /// The name.
        name: String,
    },
    /// Two agents have the same name.
    #[error("there are two agents of the name `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// An agent refers to one that is not declared.
    #[error("`{agent}` refers to the agent `{missing}`, which is not declared")]
    Missing {
        /// Who refers.
        agent: String,
        /// To whom.
        missing: String,
    },
    /// The model is not one of those of the registry.
    #[error("`{agent}` wants the model `{model}`, which is not there")]
    Model {
        /// Who wants it.
        agent: String,
        /// Which.
        model: String,
    },
    /// Agents that ask each other in a circle would never end.
    #[error("the agents ask each other in a circle: {}", names.join(", "))]
    Circle {
        /// Those in it, and those that ask them.
        names: Vec<String>,
    },
    /// No agent has this name.
    #[error("there is no agent `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
}

/// An agent could not be run by its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunByNameError {
    /// There is none, or the one it handed over to is gone.
    #[error(transparent)]
    Agents(#[from] AgentsError),
    /// Its run failed.
    #[error(transparent)]
    Run(#[from] AgentError),
}

/// Agents by name.
#[derive(Clone)]
pub struct Agents(Arc<BTreeMap<String, Member>>);

#[derive(Clone, Debug)]
struct Member {
    description: String,
    agent: Agent,
}

/// Puts [`Agents`] together.
#[must_use]
pub struct AgentsBuilder {
    models: Vec<(String, Arc<dyn ChatModel>)>,
    tools: Vec<Arc<dyn Toolset>>,
    declared: Vec<AgentDeclaration>,
    search: Option<SearchOptions>,
    configure: Box<Configure>,
}

type Configure = dyn Fn(&str, AgentBuilder) -> AgentBuilder + Send + Sync;

impl Agents {
    /// Begins with the model of all who name none.
    pub fn builder(model: impl ChatModel + 'static) -> AgentsBuilder {
        let name = model.id().model.clone();
        AgentsBuilder {
            models: vec![(name, Arc::new(model))],
            tools: Vec::new(),
            declared: Vec::new(),
            search: None,
            configure: Box::new(|_, builder| builder),
        }
    }

    /// The agent of this name.
    pub fn get(&self, name: &str) -> Option<&Agent> {
        self.0.get(name).map(|member| &member.agent)
    }

    /// Names and descriptions, by name.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, member)| (name.as_str(), member.description.as_str()))
    }

    /// Runs an agent to the end, and those that it hands over to.
    ///
    /// # Errors
    /// There is no such agent, or a run failed.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the run.
    pub async fn run(
        &self,
        name: &str,
        prompt: impl Into<Parts>,
    ) -> Result<Finished, RunByNameError> {
        let mut finished = self.known(name)?.run(prompt).await?;
        for _ in 0..MAX_HANDOVERS {
            let Some((_, run)) = self.take_over(&finished)? else { break };
            finished = run.await?;
        }
        Ok(finished)
    }

    /// Where a conversation was handed over: the agent that goes on, and its run, which knows all
    /// that was said. For those who watch the events of each; [`run`](Self::run) does it by itself.
    ///
    /// # Errors
    /// The agent is not one of these.
    pub fn take_over(
        &self,
        finished: &Finished,
    ) -> Result<Option<(String, AgentRun)>, AgentsError> {
        let Outcome::HandedOver { agent, task } = &finished.outcome else { return Ok(None) };
        let next = self.known(agent)?;
        let task = if task.is_empty() { "Go on.".to_owned() } else { task.clone() };
        let transcript = next.transcript_after(finished.run.transcript());
        Ok(Some((agent.clone(), next.go_on(transcript, task))))
    }

    fn known(&self, name: &str) -> Result<&Agent, AgentsError> {
        self.get(name).ok_or_else(|| AgentsError::Unknown { name: name.to_owned() })
    }
}

impl AgentsBuilder {
    /// Adds a model that declarations can name.
    pub fn model(mut self, name: impl Into<String>, model: impl ChatModel + 'static) -> Self {
        self.models.push((name.into(), Arc::new(model)));
        self
    }

    /// Adds tools; each agent has those that its declaration names.
    pub fn tools(mut self, tools: impl Toolset + 'static) -> Self {
        self.tools.push(Arc::new(tools));
        self
    }

    /// Adds declarations.
    pub fn declare(mut self, agents: impl IntoIterator<Item = AgentDeclaration>) -> Self {
        self.declared.extend(agents);
        self
    }

    /// Has an agent's model search its tools where they are many.
    pub fn search(mut self, options: SearchOptions) -> Self {
        self.search = Some(options);
        self
    }

    /// Has the last word on each agent, such as its policy, budget or journal.
    pub fn configure(
        mut self,
        configure: impl Fn(&str, AgentBuilder) -> AgentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// The agents.
    ///
    /// # Errors
    /// The declarations do not fit together.
    pub fn build(self) -> Result<Agents, AgentsError> {
        let (descriptions, ordered) = ordered(&self.declared)?;
        let mut built: BTreeMap<String, Member> = BTreeMap::new();
        for declared in ordered {
            let agent = self.assemble(declared, &built, &descriptions)?;
            let description = declared.description.clone();
            built.insert(declared.name.clone(), Member { description, agent });
        }
        Ok(Agents(Arc::new(built)))
    }

    fn assemble(
        &self,
        declared: &AgentDeclaration,
        built: &BTreeMap<String, Member>,
        descriptions: &BTreeMap<String, String>,
    ) -> Result<Agent, AgentsError> {
        let missing = || AgentsError::Model {
            agent: declared.name.clone(),
            model: declared.model.clone().unwrap_or_default(),
        };
        let mut models = self.models.iter();
        let (_, model) = models
            .find(|(name, _)| declared.model.as_ref().is_none_or(|wanted| wanted == name))
            .ok_or_else(missing)?;
        let mut builder = Agent::builder(Arc::clone(model));
        for tools in &self.tools {
            let offered: Arc<dyn Toolset> = match declared.tools.clone() {
                None => Arc::clone(tools),
                Some(patterns) => {
                    let known = Arc::clone(tools);
                    Arc::new(Filtered::new(Arc::clone(tools), move |tool| {
                        let full = known.facts(&tool.name).full_name();
                        let fits = |name: &str| patterns.iter().any(|glob| matches(glob, name));
                        fits(&full) || fits(&tool.name)
                    }))
                }
            };
            builder = match &self.search {
                Some(options) => builder.tools(Searchable::new(offered, options.clone())),
                None => builder.tools(offered),
            };
        }
        for name in &declared.asks {
            if let Some(member) = built.get(name) {
                builder = builder.tools(Asked::new(name, &member.description, &member.agent));
            }
        }
        for name in &declared.hands_over_to {
            let about = descriptions.get(name).map(String::as_str).unwrap_or_default();
            let tool = HandOver::new(name, about);
            builder = builder.handover(tool.tool_name(), name).tools(tool);
        }
        if let Some(instructions) = &declared.instructions {
            builder = builder.system(instructions);
        }
        if let Some(steps) = declared.max_steps {
            builder = builder.max_steps(steps);
        }
        Ok((self.configure)(&declared.name, builder).build())
    }
}

/// Checks whether declarations fit together, all but their models.
///
/// # Errors
/// They do not: a name is none or is there twice, an agent is missing, or some ask each other in a
/// circle.
pub fn check(declared: &[AgentDeclaration]) -> Result<(), AgentsError> {
    ordered(declared).map(|_| ())
}

type Ordered<'a> = (BTreeMap<String, String>, Vec<&'a AgentDeclaration>);

/// The descriptions by name, and the agents, each after those that it asks.
fn ordered(declared: &[AgentDeclaration]) -> Result<Ordered<'_>, AgentsError> {
    let mut descriptions = BTreeMap::new();
    for AgentDeclaration { name, description, .. } in declared {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
            return Err(AgentsError::Name { name: name.clone() });
        }
        if descriptions.insert(name.clone(), description.clone()).is_some() {
            return Err(AgentsError::Twice { name: name.clone() });
        }
    }
    for agent in declared {
        let named: BTreeSet<_> = agent.asks.iter().chain(&agent.hands_over_to).collect();
        if let Some(missing) = named.into_iter().find(|name| !descriptions.contains_key(*name)) {
            let (agent, missing) = (agent.name.clone(), missing.clone());
            return Err(AgentsError::Missing { agent, missing });
        }
    }
    let mut sorted: Vec<&AgentDeclaration> = Vec::with_capacity(declared.len());
    let mut left: Vec<&AgentDeclaration> = declared.iter().collect();
    while !left.is_empty() {
        // Those come first that ask nobody who is still missing.
        let (ready, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|agent| {
            agent.asks.iter().all(|asked| sorted.iter().any(|known| known.name == *asked))
        });
        if ready.is_empty() {
            let names = later.iter().map(|agent| agent.name.clone()).collect();
            return Err(AgentsError::Circle { names });
        }
        sorted.extend(ready);
        left = later;
    }
    Ok((descriptions, sorted))
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for AgentsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentsBuilder").field("declared", &self.declared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
