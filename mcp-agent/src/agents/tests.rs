use serde_json::json;

use super::{AgentDeclaration, Agents, AgentsError};
use crate::{
    model::{
        Role,
        scripted::{Scene, ScriptedModel},
    },
    toolbox::LocalTools,
};

fn declared(value: serde_json::Value) -> Vec<AgentDeclaration> {
    serde_json::from_value(value).unwrap()
}

fn refused(value: serde_json::Value) -> AgentsError {
    Agents::builder(ScriptedModel::new([])).declare(declared(value)).build().unwrap_err()
}

#[tokio::test]
async fn a_conversation_is_handed_over_with_all_that_was_said() {
    let clerk = ScriptedModel::new([Scene::call(
        "hand_over_to_expert",
        r#"{"task": "Explain the bill."}"#,
    )]);
    let expert = ScriptedModel::new([Scene::text("It is for water.")]);
    let agents = Agents::builder(clerk.clone())
        .model("large", expert.clone())
        .tools(LocalTools::new().tool("bills", "", |_: serde_json::Value| async { "" }).tool(
            "mail",
            "",
            |_: serde_json::Value| async { "" },
        ))
        .declare(declared(json!([
            {"name": "clerk", "description": "Answers.", "hands_over_to": ["expert"], "tools": []},
            {"name": "expert", "description": "Knows bills.", "model": "large",
                "instructions": "Be exact.", "tools": ["bill*"], "max_steps": 3},
        ])))
        .build()
        .unwrap();
    let names: Vec<_> = agents.list().map(|(name, _)| name).collect();
    assert_eq!(names, ["clerk", "expert"]);
    let finished = agents.run("clerk", "What is this bill?").await.unwrap();
    assert_eq!(finished.outcome.text(), "It is for water.");
    let request = &expert.requests()[0];
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let tools: Vec<_> = request.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(tools, ["bills"]);
    assert_eq!(clerk.requests()[0].tools.len(), 1);
}

#[test]
fn declarations_that_do_not_fit_are_refused() {
    assert!(matches!(refused(json!([{"name": "a b"}])), AgentsError::Name { .. }));
    assert!(matches!(refused(json!([{"name": "a"}, {"name": "a"}])), AgentsError::Twice { .. }));
    assert!(matches!(refused(json!([{"name": "a", "asks": ["b"]}])), AgentsError::Missing { .. }));
    assert!(matches!(refused(json!([{"name": "a", "model": "none"}])), AgentsError::Model { .. }));
    let circle = refused(json!([{"name": "a", "asks": ["b"]}, {"name": "b", "asks": ["a"]}]));
    assert_eq!(circle.to_string(), "the agents ask each other in a circle: a, b");
}
