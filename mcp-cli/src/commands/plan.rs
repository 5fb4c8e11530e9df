//! `mcp plan`

use std::{fs, path::Path, sync::Arc, time::Duration};

use mcp_agent::{
    plan::{self, AskError, CheckedPlan, ExecuteOptions, Plan, PlanError, PlanRun, StepOutcome},
    stack::StackOptions,
    toolbox::{McpToolset, Toolset},
};
use mcp_client::HubOptions;
use serde_json::{Value, json};

use crate::{
    agent::only_chosen,
    args::{Output, PlanAction, PlanMakeArgs, PlanRunArgs, ServerOptions},
    connect::{Chosen, choose},
    context::Context,
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    measure::{count, show_time},
    messages::Messages,
    models, pins,
    printer::Printer,
    progress::wait,
    targets,
    terminal_text::one_line,
    theme::Role,
};

pub(super) async fn run(
    action: PlanAction,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    match action {
        PlanAction::Run(args) => execute(args, context, printer).await,
        PlanAction::Make(args) => make(args, context, printer).await,
    }
}

async fn execute(args: PlanRunArgs, context: &Context, printer: &mut Printer) -> Result<ExitCode> {
    let plan: Plan = read(&args.file)?;
    let chosen = chosen(&args.servers, &args.command, &args.server, context)?;
    let layers = args.layers.options(&chosen)?;
    let tools = start(chosen, &layers, args.layers.await_restart, &[], context).await?;
    let checked = plan.check(&tools).map_err(|error| invalid(&error))?;
    if args.dry_run {
        show(&checked, printer)?;
        return Ok(ExitCode::Success);
    }
    let mut run = match args.state.as_deref().filter(|file| file.exists()) {
        Some(file) => {
            let run: PlanRun = read(file)?;
            if run.plan() != &checked {
                let report = Report::new(ErrorCode::Usage, "the state is of another plan");
                return Err(report.help(format!("remove {} to begin anew", file.display())).into());
            }
            run
        }
        None => PlanRun::new(checked),
    };
    let messages = &context.messages;
    let mut failed_to_write = None;
    run.execute_with(&tools, ExecuteOptions::default(), |run, step| {
        if let Some(outcome) = run.outcomes().get(step) {
            messages.note(line(step, outcome, messages));
        }
        if let Some(file) = &args.state
            && let Err(error) = write(file, run)
        {
            failed_to_write = Some(error);
        }
    })
    .await;
    if let Some(report) = failed_to_write {
        return Err(report.into());
    }
    report(&run, printer)
}

async fn make(args: PlanMakeArgs, context: &Context, printer: &mut Printer) -> Result<ExitCode> {
    let chosen = chosen(&args.servers, &args.command, &args.server, context)?;
    let tools = start(chosen, &StackOptions::default(), None, &args.tools, context).await?;
    let model = models::find(&args.model, context).await?.model;
    let asking = plan::ask(&model, &args.goal, &tools);
    let checked =
        wait(&context.messages, asking, |elapsed| format!("planning  {}", show_time(elapsed)))
            .await
            .map_err(|error| match &error {
                AskError::Invalid(problems) => invalid(problems),
                _ => Report::new(ErrorCode::ModelFailed, error.to_string()).causes_of(&error),
            })?;
    match printer.output() {
        Output::Json | Output::Ndjson => printer.json(checked.plan())?,
        // What is shown can be saved and run.
        Output::Text | Output::Raw => {
            let text = serde_json::to_string_pretty(checked.plan()).unwrap_or_default();
            printer.text(&text)?;
            printer.end_line()?;
        }
    }
    printer.flush()?;
    let (steps, waves) = (checked.plan().steps.len(), checked.waves().len());
    context.messages.note(format_args!(
        "checked: {} in {}; nothing has run. Save it, and `mcp plan run FILE` runs it",
        count(steps, "step"),
        count(waves, "wave"),
    ));
    Ok(ExitCode::Success)
}

fn chosen(
    servers: &[String],
    command: &[String],
    options: &ServerOptions,
    context: &Context,
) -> Result<Chosen> {
    choose(&targets::parse(servers)?, command, &context.settings.configured()?, options)
}

async fn start(
    chosen: Chosen,
    layers: &StackOptions,
    await_restart: Option<Duration>,
    patterns: &[String],
    context: &Context,
) -> Result<Arc<dyn Toolset>> {
    let prepare = |options: &mut HubOptions| {
        options.await_restart = await_restart;
        context.let_servers_ask(options);
    };
    let hub = context.start_with(chosen.servers, prepare).await?;
    hub.report_problems(chosen.problems);
    let tools = wait(&context.messages, McpToolset::of_hub(hub.clone()), |elapsed| {
        format!("starting servers  {}", show_time(elapsed))
    })
    .await
    .layers(layers);
    for problem in tools.problems() {
        let reason = one_line(&problem.reason);
        context.messages.warning(format_args!("without {}: {reason}", problem.server));
    }
    // What changed since it was agreed to does not run in plans either.
    let tools = Arc::new(tools);
    only_chosen(pins::held(&tools, &hub, context), &tools, patterns)
}

fn show(plan: &CheckedPlan, printer: &mut Printer) -> Result<()> {
    if matches!(printer.output(), Output::Json | Output::Ndjson) {
        printer.json(&json!({"plan": plan.plan(), "waves": plan.waves()}))?;
        return printer.flush();
    }
    if !plan.plan().goal.is_empty() {
        printer.line(one_line(&plan.plan().goal))?;
    }
    for (number, wave) in plan.waves().iter().enumerate() {
        printer.line(printer.paint(Role::Dim, format!("{}. side by side", number + 1)))?;
        for step in wave.iter().filter_map(|id| plan.step(id)) {
            let arguments = Value::Object(step.arguments.clone()).to_string();
            let purpose = printer.paint(Role::Dim, one_line(&step.purpose));
            let (id, tool) = (one_line(&step.id), one_line(&step.tool));
            let id = printer.paint(Role::Name, id);
            printer.line(format_args!("   {id}  {tool} {}  {purpose}", one_line(&arguments)))?;
        }
    }
    printer.flush()
}

fn line(step: &str, outcome: &StepOutcome, messages: &Messages) -> String {
    const SHOWN: usize = 100;
    let (role, word, text) = match outcome {
        StepOutcome::Done(value) => (Role::Name, "done", value.to_string()),
        StepOutcome::Failed { reason } => (Role::Label, "failed", reason.clone()),
        StepOutcome::Skipped { because_of } => {
            (Role::Dim, "skipped", format!("{because_of} failed"))
        }
        _ => (Role::Dim, "ended", String::new()),
    };
    let text = one_line(&text);
    let short: String = text.chars().take(SHOWN).collect();
    format!("{} {}  {short}", messages.paint(role, word), one_line(step))
}

fn report(run: &PlanRun, printer: &mut Printer) -> Result<ExitCode> {
    match printer.output() {
        Output::Json | Output::Ndjson => printer.json(&json!({
            "goal": run.plan().plan().goal, "done": run.is_done(), "steps": run.outcomes(),
        }))?,
        Output::Text | Output::Raw => {
            // What the last steps brought is what the plan was for.
            for id in run.plan().waves().last().into_iter().flatten() {
                if let Some(value) = run.output(id) {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    printer.text(&text)?;
                    printer.end_line()?;
                }
            }
        }
    }
    printer.flush()?;
    let some = run.outcomes().values().any(|outcome| matches!(outcome, StepOutcome::Done(_)));
    Ok(match (run.is_done(), some) {
        (true, _) => ExitCode::Success,
        (false, true) => ExitCode::Partial,
        (false, false) => ExitCode::ToolError,
    })
}

fn invalid(error: &PlanError) -> Report {
    let report = Report::new(ErrorCode::InvalidArguments, "the plan cannot run");
    error.problems.iter().fold(report, |report, problem| report.cause(problem.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T> {
    let failed = |cause: String| {
        Report::new(ErrorCode::Usage, format!("cannot read {}", file.display())).cause(cause)
    };
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    Ok(serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?)
}

/// Writes the state beside its place first: a crash leaves the old one whole.
fn write(file: &Path, run: &PlanRun) -> std::result::Result<(), Report> {
    let failed = |cause: String| {
        Report::new(ErrorCode::Unexpected, format!("cannot write {}", file.display())).cause(cause)
    };
    let text = serde_json::to_string(run).map_err(|error| failed(error.to_string()))?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|error| failed(error.to_string()))
}
