//! A model that says what it is told to say, for tests of programs that use models.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::stream;

use super::{
    ChatModel, ModelError, ModelErrorKind, ModelEvent, ModelId, ModelRequest, ModelResponse,
    ModelStream, Part, StopReason, ToolCall,
};

/// A model that plays back a script, one scene for each request, and keeps the requests.
///
/// ```
/// # async fn example() -> Result<(), mcp_agent::model::ModelError> {
/// use mcp_agent::model::{ChatModel, Message, ModelRequest, scripted::{Scene, ScriptedModel}};
///
/// let model = ScriptedModel::new([Scene::text("Hello!")]);
/// let answer = model.respond(&ModelRequest::new(vec![Message::user("Hi")])).await?;
/// assert_eq!(answer.text(), "Hello!");
/// assert_eq!(model.requests().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScriptedModel {
    id: ModelId,
    stage: Arc<Mutex<Stage>>,
}

#[derive(Default)]
struct Stage {
    scenes: VecDeque<Scene>,
    requests: Vec<ModelRequest>,
}

/// What a [`ScriptedModel`] does with one request.
#[derive(Debug)]
pub struct Scene {
    events: Vec<ModelEvent>,
    error: Option<ModelError>,
}

impl Scene {
    /// Answers in words, a few characters at a time.
    pub fn text(text: impl Into<String>) -> Self {
        Self::response(ModelResponse::new(vec![Part::Text(text.into())], StopReason::EndTurn))
    }

    /// Calls one tool; the arguments are JSON text, or what a model might write instead.
    pub fn call(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self::calls([(name, arguments)])
    }

    /// Calls several tools in one turn.
    pub fn calls<N: Into<String>, A: Into<String>>(
        calls: impl IntoIterator<Item = (N, A)>,
    ) -> Self {
        let parts = calls.into_iter().enumerate().map(|(number, (name, arguments))| {
            Part::ToolCall(ToolCall {
                id: format!("call_{number}").into(),
                name: name.into(),
                arguments: arguments.into(),
            })
        });
        Self::response(ModelResponse::new(parts.collect(), StopReason::ToolCalls))
    }

    /// Answers with this, in the pieces in which a provider would send it.
    pub fn response(response: ModelResponse) -> Self {
        let mut events = Vec::new();
        let mut calls = 0;
        for part in response.parts {
            match part {
                Part::Text(text) => events.extend(pieces(&text).map(ModelEvent::TextDelta)),
                Part::ToolCall(ToolCall { id, name, arguments }) => {
                    let index = calls;
                    calls += 1;
                    events.push(ModelEvent::ToolCallStarted { index, id, name });
                    events.extend(
                        pieces(&arguments)
                            .map(|text| ModelEvent::ToolArgumentsDelta { index, text }),
                    );
                }
                part => events.push(ModelEvent::Part(part)),
            }
        }
        events.push(ModelEvent::Finished {
            stop: response.stop,
            usage: response.usage,
            model: response.model,
        });
        Self { events, error: None }
    }

    /// Fails at once.
    pub fn failure(error: ModelError) -> Self {
        Self { events: Vec::new(), error: Some(error) }
    }

    /// Fails where the answer would have ended.
    #[must_use]
    pub fn then_failure(mut self, error: ModelError) -> Self {
        self.events.pop();
        self.error = Some(error);
        self
    }
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    const LENGTH: usize = 7;
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        characters.chunks(LENGTH).map(|piece| piece.iter().collect()).collect();
    pieces.into_iter()
}

impl ScriptedModel {
    /// A model with this script. A request beyond its end fails.
    pub fn new(scenes: impl IntoIterator<Item = Scene>) -> Self {
        let stage = Stage { scenes: scenes.into_iter().collect(), requests: Vec::new() };
        Self { id: ModelId::new("script", "scripted"), stage: Arc::new(Mutex::new(stage)) }
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// How many scenes were not played yet.
    pub fn remaining(&self) -> usize {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).scenes.len()
    }
}

impl ChatModel for ScriptedModel {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn stream<'a>(&'a self, request: &'a ModelRequest) -> ModelStream<'a> {
        let scene = {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            stage.requests.push(request.clone());
            stage.scenes.pop_front()
        };
        let Scene { events, error } = scene.unwrap_or_else(|| {
            Scene::failure(ModelError::new(ModelErrorKind::InvalidRequest {
                reason: "the script has ended".to_owned(),
            }))
        });
        Box::pin(stream::iter(events.into_iter().map(Ok).chain(error.map(Err))))
    }
}

impl fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedModel").field("remaining", &self.remaining()).finish()
    }
}
