//! `mcp agents`

use crate::{
    args::{AgentsAction, Output},
    context::Context,
    declared_agents,
    error_report::Result,
    exit_code::ExitCode,
    printer::Printer,
    terminal_text::one_line,
    theme::Role,
};

pub(super) fn run(
    action: &AgentsAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let AgentsAction::List { agents } = action;
    let declared = declared_agents::read(agents.as_deref())?;
    match printer.output() {
        Output::Json => printer.json(&declared)?,
        Output::Ndjson => {
            for agent in &declared {
                printer.json(agent)?;
            }
        }
        Output::Text | Output::Raw => {
            for agent in &declared {
                let about = printer.paint(Role::Dim, one_line(&agent.description));
                printer
                    .line(format_args!("{}  {about}", printer.paint(Role::Name, &agent.name)))?;
                let model = agent.model.as_deref().map(one_line);
                let tools = agent.tools.as_ref().map(|tools| {
                    if tools.is_empty() { "none".to_owned() } else { tools.join(", ") }
                });
                let list = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
                let facts = [
                    ("model", model),
                    ("tools", tools),
                    ("asks", list(&agent.asks)),
                    ("hands over to", list(&agent.hands_over_to)),
                ];
                for (label, text) in facts {
                    if let Some(text) = text {
                        printer.line(format_args!("  {label}: {}", one_line(&text)))?;
                    }
                }
            }
        }
    }
    printer.flush()?;
    if printer.output() == Output::Text {
        context.messages.aside("ask one with `mcp run --agent NAME`");
    }
    Ok(ExitCode::Success)
}
