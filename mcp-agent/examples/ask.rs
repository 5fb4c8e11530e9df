//! Asks whatever model can be found a question, with two tools made of Rust functions.
//!
//! `cargo run -p mcp-agent --example ask -- "What is 21 + 21? Use the add tool."`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use std::{env, error::Error, sync::Arc};

use mcp_agent::{
    Agent, AgentEvent,
    model::{
        ChatModel,
        discover::{self, Found, ModelWish},
        managed,
    },
    toolbox::LocalTools,
};
use mcp_transport::http::HttpClient;
use schemars::JsonSchema;
use serde::Deserialize;

/// Two numbers.
#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: f64,
    b: f64,
}

/// A city.
#[derive(Deserialize, JsonSchema)]
struct City {
    /// Its name, such as Paris.
    city: String,
}

fn tools() -> LocalTools {
    LocalTools::new()
        .tool("add", "Adds two numbers.", |pair: Pair| async move { (pair.a + pair.b).to_string() })
        .tool("get_weather", "Tells the weather in a city.", |city: City| async move {
            format!("18 °C and sunny in {}", city.city)
        })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let question = env::args().nth(1).ok_or("ask a question")?;
    let http = Arc::new(HttpClient::new());
    let variable = |name: &str| env::var(name).ok();
    let folder = managed::folder(&variable);
    let wish = ModelWish::default();
    let model: Box<dyn ChatModel> =
        match discover::find(&wish, &variable, folder.as_deref(), &http).await? {
            Found::Ready { model, place } => {
                eprintln!("using {} ({place})", model.id());
                model
            }
            Found::Managed(manifest) => {
                eprintln!("starting {}", manifest.name);
                Box::new(manifest.start(&http).await?)
            }
            _ => return Err("a model of an unknown kind".into()),
        };
    let agent = Agent::builder(model).tools(tools()).temperature(0.0).build();
    let mut run = agent.run(question);
    while let Some(event) = run.next().await {
        match event? {
            AgentEvent::TextDelta(text) => print!("{text}"),
            AgentEvent::ToolCallStarted(call) => {
                eprintln!("→ {} {}", call.name, serde_json::Value::from(call.arguments));
            }
            AgentEvent::ToolCallFinished { output, took, .. } => {
                eprintln!("← {} ({took:?})", output.to_text());
            }
            AgentEvent::ModelCallFinished { usage, took, .. } => {
                eprintln!("  {usage:?} in {took:?}");
            }
            AgentEvent::Finished(finished) => println!("\n{:?}", finished.outcome),
            _ => {}
        }
    }
    Ok(())
}
