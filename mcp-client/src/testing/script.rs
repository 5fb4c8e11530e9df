//! What a scripted server offers, and what it answers by itself.

use mcp_protocol::{
    error_code::{self, UnsupportedProtocolVersion},
    jsonrpc::ErrorObject,
    prompts::Prompt,
    raw::RawJson,
    resources::{Resource, ResourceContents},
    tools::Tool,
    version::{Era, ProtocolVersion},
};
use serde_json::{Map, Value, json};

use super::Answer;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

type Handler = Box<dyn FnMut(&Value) -> Answer + Send>;
type Rule = Box<dyn FnMut(&str, &Value) -> Answer + Send>;

/// Everything about a server that a test can set.
pub(super) struct Script {
    /// The newest first.
    pub(super) versions: Vec<ProtocolVersion>,
    /// Those that are set; otherwise what is offered.
    pub(super) capabilities: Option<Value>,
    pub(super) instructions: Option<String>,
    pub(super) tools: Vec<(Tool, Handler)>,
    pub(super) resources: Vec<(Resource, ResourceContents)>,
    pub(super) prompts: Vec<(Prompt, Handler)>,
    /// The latest first, so that a test can set more than its fixture did.
    pub(super) rules: Vec<Rule>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            versions: ProtocolVersion::SUPPORTED.to_vec(),
            capabilities: None,
            instructions: None,
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// What happens because of a message.
    pub(super) fn answer(&mut self, method: &str, params: &Value) -> Answer {
        let mut before = Vec::new();
        let mut found = None;
        for rule in self.rules.iter_mut().rev() {
            let answer = rule(method, params);
            if !answer.ends_as_usual() {
                found = Some(answer);
                break;
            }
            before.push(answer);
        }
        let answer = found.unwrap_or_else(|| {
            let is_modern = params["_meta"][VERSION].is_string();
            let answer = self.usual(method, params, is_modern);
            if is_modern { answer.complete() } else { answer }
        });
        before.into_iter().rfold(answer, |answer, first| first.then(answer))
    }

    fn speaks(&self, era: Era) -> bool {
        self.versions.iter().any(|version| version.era() == era)
    }

    fn usual(&mut self, method: &str, params: &Value, is_modern: bool) -> Answer {
        let era = if is_modern { Era::Modern } else { Era::Legacy };
        match method {
            "initialize" if self.speaks(Era::Legacy) => self.initialize(params),
            "initialize" => self.unsupported(params["protocolVersion"].as_str()),
            _ if is_modern && !self.speaks(Era::Modern) => unknown(method),
            _ if !is_modern && !self.speaks(Era::Legacy) => self.unsupported(None),
            "server/discover" => self.discover(),
            "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe"
                if !is_modern =>
            {
                Answer::result(json!({}))
            }
            "tools/list" => page("tools", self.tools.iter().map(|(tool, _)| json!(tool)), era),
            "resources/list" => {
                page("resources", self.resources.iter().map(|(one, _)| json!(one)), era)
            }
            "resources/templates/list" => page("resourceTemplates", std::iter::empty(), era),
            "prompts/list" => {
                page("prompts", self.prompts.iter().map(|(prompt, _)| json!(prompt)), era)
            }
            "tools/call" => named(&mut self.tools, |tool| &tool.name, "tool", params),
            "prompts/get" => named(&mut self.prompts, |prompt| &prompt.name, "prompt", params),
            "resources/read" => self.read(params, era),
            other => unknown(other),
        }
    }

    fn initialize(&self, params: &Value) -> Answer {
        let asked = params["protocolVersion"].as_str().unwrap_or_default();
        let mut legacy = self.versions.iter().filter(|version| version.era() == Era::Legacy);
        let version = legacy.clone().find(|version| version.as_str() == asked).or(legacy.next());
        let mut result = json!({
            "protocolVersion": version,
            "capabilities": self.capabilities(),
            "serverInfo": info(),
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = json!(instructions);
        }
        Answer::result(result)
    }

    fn discover(&self) -> Answer {
        let mut result = json!({
            "supportedVersions": self.versions,
            "capabilities": self.capabilities(),
            "ttlMs": 0, "cacheScope": "private",
            "_meta": {"io.modelcontextprotocol/serverInfo": info()},
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = json!(instructions);
        }
        Answer::result(result)
    }

    fn capabilities(&self) -> Value {
        self.capabilities.clone().unwrap_or_else(|| {
            let offered = [
                ("tools", !self.tools.is_empty()),
                ("resources", !self.resources.is_empty()),
                ("prompts", !self.prompts.is_empty()),
            ];
            let offered = offered.iter().filter(|(_, is_offered)| *is_offered);
            offered.map(|(name, _)| ((*name).to_owned(), json!({}))).collect::<Map<_, _>>().into()
        })
    }

    fn read(&self, params: &Value, era: Era) -> Answer {
        let uri = params["uri"].as_str().unwrap_or_default();
        let found = self.resources.iter().find(|(resource, _)| resource.uri == uri);
        let Some((_, contents)) = found else {
            let code = match era {
                Era::Legacy => error_code::RESOURCE_NOT_FOUND,
                Era::Modern => error_code::INVALID_PARAMS,
            };
            return Answer::error_with(code, "there is no such resource", json!({"uri": uri}));
        };
        let mut result = json!({"contents": [contents]});
        hint(&mut result, era);
        Answer::result(result)
    }

    fn unsupported(&self, requested: Option<&str>) -> Answer {
        let data = UnsupportedProtocolVersion {
            supported: self.versions.clone(),
            requested: requested.map(|name| ProtocolVersion::new(name.to_owned())),
        };
        Answer::Error(ErrorObject {
            data: RawJson::from_value(&data).ok(),
            ..ErrorObject::new(
                error_code::UNSUPPORTED_PROTOCOL_VERSION,
                "the server does not speak this revision",
            )
        })
    }
}

fn info() -> Value {
    json!({"name": "scripted", "version": "1"})
}

fn unknown(method: &str) -> Answer {
    Answer::error(error_code::METHOD_NOT_FOUND, format!("there is no method `{method}`"))
}

fn page(key: &str, items: impl Iterator<Item = Value>, era: Era) -> Answer {
    let mut result = json!({ key: items.collect::<Vec<_>>() });
    hint(&mut result, era);
    Answer::result(result)
}

/// Says that nothing is to be kept, so that every question of a test reaches the server.
fn hint(result: &mut Value, era: Era) {
    if era == Era::Modern {
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
}

fn named<T>(
    offers: &mut [(T, Handler)],
    name: impl Fn(&T) -> &str,
    kind: &str,
    params: &Value,
) -> Answer {
    let wanted = params["name"].as_str().unwrap_or_default();
    match offers.iter_mut().find(|(offer, _)| name(offer) == wanted) {
        Some((_, handler)) => handler(&params["arguments"]),
        None => Answer::error(error_code::INVALID_PARAMS, format!("there is no {kind} `{wanted}`")),
    }
}

/// Answers `server/discover` as a server of revision 2026-07-28, if it is that: for scripts that
/// answer everything.
pub fn modern_opening(method: &str, capabilities: &Value) -> Option<Answer> {
    (method == "server/discover").then(|| {
        Answer::result(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private",
        }))
    })
}

/// Answers the opening as a server of one earlier revision, if it is that: for scripts that answer
/// everything.
pub fn legacy_opening(method: &str, version: &str, capabilities: &Value) -> Option<Answer> {
    match method {
        "server/discover" => Some(Answer::error(error_code::METHOD_NOT_FOUND, "unknown method")),
        "initialize" => Some(Answer::result(json!({
            "protocolVersion": version, "capabilities": capabilities, "serverInfo": info(),
        }))),
        "notifications/initialized" => Some(Answer::Silence),
        _ => None,
    }
}
