//! The tools of the shared surface.

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::InputResponses;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams,
    ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
    ResourceUpdatedNotificationParam,
};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskManager;
use rmcp::{ErrorData, Json, RoleServer, tool, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::changes::{Changes, MOTTO};

/// One black dot.
const DOT_PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// The server.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) tool_router: ToolRouter<Self>,
    pub(crate) tasks: TaskManager,
    pub(crate) changes: Changes,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: f64,
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Countdown {
    steps: u32,
}

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

#[derive(Serialize, JsonSchema)]
struct Weather {
    city: String,
    celsius: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    message: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Person {
    name: String,
}

rmcp::elicit_safe!(Person);

#[tool_router]
impl Peer {
    pub(crate) fn new() -> Self {
        Self {
            tool_router: Self::tool_router(),
            tasks: TaskManager::new(),
            changes: Changes::new(),
        }
    }

    #[tool(description = "Says it back", annotations(read_only_hint = true))]
    fn echo(Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Adds two numbers")]
    fn add(Parameters(Add { a, b }): Parameters<Add>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Reports progress at every step")]
    async fn countdown(
        &self,
        Parameters(Countdown { steps }): Parameters<Countdown>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        for step in 1..=steps {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, f64::from(step))
                    .with_total(f64::from(steps));
                context.peer.notify_progress(progress).await.map_err(internal)?;
            }
        }
        Ok("liftoff".to_owned())
    }

    #[tool(description = "Structured weather of a city")]
    fn weather(Parameters(City { city }): Parameters<City>) -> Json<Weather> {
        Json(Weather { city, celsius: 18.5 })
    }

    #[tool(description = "One dot")]
    fn picture() -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::image(DOT_PNG, "image/png")])
    }

    #[tool(description = "Fails with this message")]
    fn fail(Parameters(Message { message }): Parameters<Message>) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text(message)])
    }

    #[tool(description = "Logs this message")]
    async fn log(
        &self,
        Parameters(Message { message }): Parameters<Message>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let entry = LoggingMessageNotificationParam::new(LoggingLevel::Info, message.into())
            .with_logger("peer");
        context.peer.notify_logging_message(entry).await.map_err(internal)?;
        Ok("logged".to_owned())
    }

    #[tool(description = "Changes the motto and the tools")]
    async fn touch(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        if is_modern(&context) {
            self.changes.announce();
        } else {
            context.peer.notify_tool_list_changed().await.map_err(internal)?;
            let motto = ResourceUpdatedNotificationParam::new(MOTTO);
            context.peer.notify_resource_updated(motto).await.map_err(internal)?;
        }
        Ok("touched".to_owned())
    }

    #[tool(description = "Asks for a name first")]
    async fn greet(
        &self,
        InputResponses(responses): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(&context);
        let text = match responses.as_ref().and_then(|responses| responses.get("person")) {
            Some(answer) => match answer["content"]["name"].as_str() {
                Some(name) => format!("Hello, {name}!"),
                None => format!("No name: {}", answer["action"].as_str().unwrap_or("nothing")),
            },
            None if modern => return Ok(question()?.into()),
            None => match context.peer.elicit::<Person>("Who is there?").await {
                Ok(Some(Person { name })) => format!("Hello, {name}!"),
                Ok(None) => "No name: nothing".to_owned(),
                Err(refusal) => format!("No name: {refusal}"),
            },
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28)
}

fn question() -> Result<InputRequiredResult, ErrorData> {
    let mut requests = InputRequests::new();
    requests.insert("person".to_owned(), who()?);
    Ok(InputRequiredResult::new(Some(requests), None))
}

pub(crate) fn who() -> Result<InputRequest, ErrorData> {
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string" } },
        "required": ["name"],
    });
    let requested_schema: ElicitationSchema = serde_json::from_value(schema).map_err(internal)?;
    let form = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "Who is there?".to_owned(),
        requested_schema,
    };
    Ok(InputRequest::Elicitation(ElicitRequest::new(form)))
}

pub(crate) fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
