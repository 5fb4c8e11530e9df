//! `/openapi.json`: the requests that the service answers, from the types that it reads and writes.

mod operations;
mod shapes;

use std::sync::LazyLock;

use axum::{http::header, response::IntoResponse};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use self::{operations::OPERATIONS, shapes::OpenAiError};
use super::problem::Problem;

/// One request that the service answers.
struct Operation {
    method: &'static str,
    path: &'static str,
    /// The name by which generated clients know it.
    id: &'static str,
    summary: &'static str,
    /// The query, whose members are the parameters.
    query: Option<SchemaOf>,
    body: Option<SchemaOf>,
    status: u16,
    answer: Answer,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What is answered when all is well.
#[derive(Clone, Copy)]
enum Answer {
    Nothing,
    Text(&'static str),
    Json(SchemaOf),
    /// Who accepts events gets those.
    JsonOrEvents(SchemaOf),
    Events,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The document; it is the same for every service.
pub(super) async fn document() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let described = operation.describe(&mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MCP service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Many MCP servers behind one address: REST, and a chat of OpenAI's \
                            shape that uses their tools.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    })
}

impl Operation {
    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "responses": {
                self.status.to_string(): self.answer.describe(generator),
                "default": self.failure(generator, "What is wrong"),
            },
        });
        for (status, why) in self.refusals() {
            described["responses"][status] = self.failure(generator, why);
        }
        let parameters = self.parameters(generator);
        if !parameters.is_empty() {
            described["parameters"] = parameters.into();
        }
        if let Some(body) = self.body {
            let content = json!({"application/json": {"schema": body(generator)}});
            described["requestBody"] = json!({"required": true, "content": content});
        }
        let is_open = matches!(
            self.id,
            "isAlive" | "isReady" | "showLoginPage" | "listIssuers" | "beginSignIn"
        );
        if is_open {
            described["security"] = json!([]);
        }
        described
    }

    fn parameters(&self, generator: &mut SchemaGenerator) -> Vec<Value> {
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let mut parameters: Vec<Value> = names
            .map(|name| {
                let schema = json!({"type": "string", "minLength": 1});
                json!({"name": name, "in": "path", "required": true, "schema": schema})
            })
            .collect();
        if let Some(query) = self.query {
            let schema = query(generator);
            // What stands behind a reference is wanted, since each member is a parameter.
            let name = schema.get("$ref").and_then(Value::as_str);
            let name = name.and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            let members =
                generator.definitions().get(name).map(|query| query["properties"].clone());
            for (name, schema) in members.as_ref().and_then(Value::as_object).into_iter().flatten()
            {
                parameters.push(json!({
                    "name": name, "in": "query", "required": false, "schema": schema,
                }));
            }
        }
        parameters
    }

    /// What a request that fits its schema may come to because of what no schema knows.
    fn refusals(&self) -> &'static [(&'static str, &'static str)] {
        match self.id {
            "addServer" => &[
                ("409", "There is a server of this name"),
                ("422", "The address, a header or the credentials cannot be used"),
            ],
            "runPlan" | "resumePlan" => {
                &[("422", "The steps do not fit each other, or the tools that there are")]
            }
            "callTool" | "readResource" | "getPrompt" => &[
                ("422", "The server refused the request"),
                ("502", "The server did not answer as it should, or wants credentials"),
                ("503", "The server cannot be reached"),
                ("504", "The server did not answer in time"),
            ],
            "createChatCompletion" | "createResponse" => &[
                ("400", "What is asked for is not to be had, or the conversation is not whole"),
                ("502", "The model's provider failed"),
            ],
            _ => &[],
        }
    }

    /// What is answered when something is wrong.
    fn failure(&self, generator: &mut SchemaGenerator, why: &str) -> Value {
        let (kind, schema) = if self.path.starts_with("/v1/") {
            ("application/json", generator.subschema_for::<OpenAiError>())
        } else {
            ("application/problem+json", generator.subschema_for::<Problem>())
        };
        let mut content = json!({kind: {"schema": schema}});
        // Who has no token is told so before anything else is looked at.
        if self.path.starts_with("/v1/") {
            let schema = generator.subschema_for::<Problem>();
            content["application/problem+json"] = json!({ "schema": schema });
        }
        json!({"description": why, "content": content})
    }
}

impl Answer {
    fn describe(self, generator: &mut SchemaGenerator) -> Value {
        let text = json!({"type": "string"});
        let events = json!({"schema": {
            "description": "One of the events",
            "type": "object",
            "properties": {"event": text, "data": text, "id": text},
            "required": ["data"],
        }});
        let content = match self {
            Self::Nothing => return json!({"description": "Done"}),
            Self::Text(kind) => json!({kind: {"schema": {"type": "string"}}}),
            Self::Json(schema) => json!({"application/json": {"schema": schema(generator)}}),
            Self::JsonOrEvents(schema) => json!({
                "application/json": {"schema": schema(generator)},
                "text/event-stream": events,
            }),
            Self::Events => json!({"text/event-stream": events}),
        };
        json!({"description": "Done", "content": content})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths of the router, which axum does not tell.
    fn routed() -> BTreeSet<&'static str> {
        let source = include_str!("../mod.rs");
        let routes = source.split(".route(").skip(1);
        let paths = routes.filter_map(|route| route.split('"').nth(1));
        // Where the resource's metadata is, is said by RFC 9728.
        paths.filter(|path| path.starts_with('/')).collect()
    }

    #[test]
    fn every_path_is_described() {
        // MCP is described by MCP, and the dashboard is for people.
        let others = [
            "/mcp",
            "/servers/{name}/mcp",
            "/",
            "/dashboard/{file}",
            "/connect/callback",
            "/connect/signed-in",
            "/connect/client",
        ];
        let mut routed = routed();
        for other in others {
            assert!(routed.remove(other), "{other}");
        }
        let described: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.path).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = build();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
