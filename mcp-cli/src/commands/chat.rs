//! `mcp chat`

use std::{cell::RefCell, path::PathBuf, pin::pin};

use etcetera::BaseStrategy as _;
use mcp_agent::{
    AgentError, Journal as _,
    model::Parts,
    run::{Feed, Outcome, Run},
    store::{SqliteStore, to_markdown},
    transcript::Entry,
};
use rustyline::{DefaultEditor, ExternalPrinter as _, error::ReadlineError};
use tokio::task::spawn_blocking;

use super::run::summarize;
use crate::{
    agent::{self, Assembled, Company},
    args::{ChatArgs, Output},
    context::Context,
    conversation::{exit_code_of, server_lines},
    error_report::{Report, Result},
    exit_code::{ErrorCode, ExitCode},
    interrupt::interrupted,
    measure::count,
    printer::Printer,
    sessions,
    terminal_text::one_line,
    theme::Role,
};

const HELP: &str = "\
/tools    what the model can use
/servers  their calls, and whether one is left alone because it keeps failing
/refresh  the last answer again, with what changed since
/undo     take the last question back
/retry    ask the last question again
/cost     what was spent so far
/approve  `/approve all` runs all tools without a question, `/approve ask` asks again
/export   print the conversation
/clear    begin anew, with nothing said so far
/help     this
/exit     leave; so do `exit` and Ctrl-D
Ctrl-C stops an answer.";

/// What `/refresh` asks.
const REFRESH: &str = "Answer my last question again with the resources as they are now.";

pub(super) async fn run(
    args: ChatArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    if printer.output() != Output::Text {
        return Err(Report::new(ErrorCode::Usage, "a chat is text only")
            .help("`mcp run` has the other forms of output")
            .into());
    }
    let store = if args.no_save { None } else { Some(sessions::open()?) };
    let mut said = match (&store, &args.resume) {
        (Some(store), Some(name)) => Some(sessions::load(store, Some(name)).await?),
        _ => None,
    };
    let request = Company {
        servers: &args.servers,
        command: &args.command,
        approve: args.approve,
        options: &args.server,
        layers: &args.layers,
        model: &args.model,
        agent: &args.agent,
        terms: &args.terms,
        store: store.clone(),
        chats: true,
    };
    let assembling = agent::assemble(request, context);
    let mut agent = tokio::select! {
        agent = assembling => agent?,
        () = interrupted() => {
            return Err(Report::new(ErrorCode::Interrupted, "interrupted").into());
        }
    };
    greet(&agent, context);
    if let Some(run) = &said {
        let prompts = run.transcript().entries().iter();
        let prompts = prompts.filter(|entry| matches!(entry, Entry::User(_))).count();
        context.messages.note(format_args!(
            "going on with session {} ({})",
            run.id().short(),
            count(prompts, "question")
        ));
    }
    let mut lines = Lines::open(context)?;
    let mut last = ExitCode::Success;
    loop {
        let advice =
            "They are read again before the next question; /refresh answers the last one anew.";
        agent::say_what_changed(&agent, advice, context);
        let news = agent::next_change(&agent, advice);
        let Some(line) = lines.next(news, context).await? else { break };
        match line.trim() {
            "" => (),
            "/exit" | "/quit" | "exit" | "quit" => break,
            "/help" | "/?" => context.messages.note(HELP),
            "/servers" => {
                for line in server_lines(&agent.servers, &agent.tools.report()) {
                    context.messages.note(line);
                }
            }
            "/tools" => list_tools(&agent, printer)?,
            "/refresh" => {
                let parts = REFRESH.into();
                last =
                    answer(&mut agent, &mut said, parts, store.as_ref(), context, printer).await?;
            }
            "/undo" => match take_back(&mut said, store.as_ref()).await? {
                Some(_) => context.messages.note("took the last question back"),
                None => context.messages.note("there is no question to take back"),
            },
            "/retry" => match take_back(&mut said, store.as_ref()).await? {
                Some(parts) => {
                    last = answer(&mut agent, &mut said, parts, store.as_ref(), context, printer)
                        .await?;
                }
                None => context.messages.note("there is no question to ask again"),
            },
            "/cost" => tell_cost(said.as_ref(), context),
            "/export" => {
                if let Some(run) = &said {
                    printer.text(&to_markdown(run.transcript()))?;
                    printer.flush()?;
                }
            }
            "/approve all" => {
                agent.questions.answer_all(true);
                context.messages.note("all tools run without a question");
            }
            "/approve ask" => {
                agent.questions.answer_all(false);
                context.messages.note("questions are put to you again");
            }
            "/clear" => {
                said = None;
                context.messages.note("forgot everything that was said");
            }
            command if command.starts_with('/') && !command.contains(char::is_whitespace) => {
                context.messages.note(format_args!("there is no `{}`\n{HELP}", one_line(command)));
            }
            text => {
                let parts = Parts::from(text);
                last =
                    answer(&mut agent, &mut said, parts, store.as_ref(), context, printer).await?;
            }
        }
    }
    if let (Some(run), Some(_)) = (&said, &store) {
        context.messages.note(format_args!(
            "saved as session {0}; `mcp chat --resume {0}` goes on",
            run.id().short()
        ));
    }
    // A script that pipes its questions in wants to know how the last one went.
    Ok(if context.settings.interactive { ExitCode::Success } else { last })
}

fn greet(agent: &Assembled, context: &Context) {
    let servers = agent.servers.join(", ");
    let count = agent.agent.tools().len();
    context.messages.note(format_args!(
        "{} · {} · {servers} ({count} tools) · /help",
        context.messages.paint(Role::Name, "mcp chat"),
        one_line(&agent.model_name)
    ));
}

/// One question and its answer. A question that fails leaves the conversation as it was.
async fn answer(
    agent: &mut Assembled,
    said: &mut Option<Run>,
    parts: Parts,
    store: Option<&SqliteStore>,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let prompt = agent.question(parts);
    let run = match said.clone() {
        Some(run) => agent.agent.prompt(run, prompt),
        None => agent.agent.run(prompt),
    };
    let under_way = RefCell::new(run.canceller());
    let mut watching = std::pin::pin!(agent.watch(run, true, &under_way, context, printer));
    let watched = tokio::select! {
        watched = &mut watching => watched?,
        () = interrupted() => {
            under_way.borrow().cancel("the user pressed Ctrl-C");
            watching.await?
        }
    };
    if let Err(AgentError::Model { run, .. }) = &watched.ended {
        *said = Some((**run).clone());
        take_back(said, store).await?;
    }
    if let Ok(finished) = &watched.ended {
        *said = Some(finished.run.clone());
        if matches!(finished.outcome, Outcome::Final { .. }) {
            summarize(&watched, context);
        }
    }
    Ok(match exit_code_of(&watched) {
        Ok(code) => code,
        Err(report) if report.exit_code() == ExitCode::Interrupted => {
            context.messages.note(context.messages.paint(Role::Dim, "stopped"));
            ExitCode::Interrupted
        }
        Err(report) => {
            context.messages.error(&report);
            report.exit_code()
        }
    })
}

/// Takes the last question back, and returns it.
async fn take_back(said: &mut Option<Run>, store: Option<&SqliteStore>) -> Result<Option<Parts>> {
    let Some(run) = said else { return Ok(None) };
    let parts = run.transcript().entries().iter().rev().find_map(|entry| match entry {
        Entry::User(parts) => Some(Parts(parts.clone())),
        _ => None,
    });
    if run.undo().is_err() {
        return Ok(None);
    }
    if let Some(store) = store {
        store.record(&Feed::Undo, run).await.map_err(|error| {
            Report::new(ErrorCode::Unexpected, error.to_string()).causes_of(&error)
        })?;
    }
    Ok(parts)
}

fn tell_cost(said: Option<&Run>, context: &Context) {
    let Some(run) = said else { return context.messages.note("nothing yet") };
    let usage = run.usage();
    let cost = run.cost().map(|cost| format!(" · {cost}")).unwrap_or_default();
    let cached = usage.cached_percent().unwrap_or(0);
    context.messages.note(format_args!(
        "{} read ({cached} % from the cache), {} written{cost} · about {} tokens of conversation",
        usage.input_tokens,
        usage.output_tokens,
        run.context_tokens()
    ));
}

fn list_tools(agent: &Assembled, printer: &mut Printer) -> Result<()> {
    for (_, found) in agent.tools.tools() {
        let about = found.tool.description.as_deref().unwrap_or_default();
        let about = printer.paint(Role::Dim, one_line(about.lines().next().unwrap_or_default()));
        printer.line(format_args!(
            "  {}.{}   {about}",
            found.server,
            one_line(&found.tool.name)
        ))?;
    }
    printer.flush()
}

/// The lines that a person types, with the keys and the history that people expect.
struct Lines {
    editor: Option<DefaultEditor>,
    history: Option<PathBuf>,
}

impl Lines {
    fn open(context: &Context) -> Result<Self> {
        let mut editor = DefaultEditor::new().map_err(|error| unreadable(&error))?;
        // Only what a person types is worth remembering.
        let history = context.settings.interactive.then(history_file).flatten();
        if let Some(file) = &history
            && file.exists()
            && let Err(error) = editor.load_history(file)
        {
            context.messages.warning(format_args!("cannot read {}: {error}", file.display()));
        }
        Ok(Self { editor: Some(editor), history })
    }

    /// The next line; `None` at the end. Servers stay alive meanwhile, and on a terminal `news` is
    /// shown above what is being typed.
    async fn next(
        &mut self,
        news: impl Future<Output = String>,
        context: &Context,
    ) -> Result<Option<String>> {
        let mut news = pin!(news);
        let mut is_news = true;
        loop {
            let Some(mut editor) = self.editor.take() else { return Ok(None) };
            // Without a terminal there is none, and nobody to tell.
            let mut above = editor.create_external_printer().ok();
            let mut reading = spawn_blocking(move || {
                let line = editor.readline("› ");
                (editor, line)
            });
            let (editor, line) = loop {
                tokio::select! {
                    read = &mut reading => break read.map_err(|error| unreadable(&error))?,
                    text = &mut news, if is_news && above.is_some() => {
                        is_news = false;
                        if let Some(above) = &mut above {
                            above.print(text + "\n").map_err(|error| unreadable(&error))?;
                        }
                    }
                    // A terminal gives Ctrl-C to the editor.
                    () = interrupted(), if !context.settings.interactive => {
                        return Err(Report::new(ErrorCode::Interrupted, "interrupted").into());
                    }
                }
            };
            let editor = self.editor.insert(editor);
            match line {
                Ok(line) => {
                    if let Some(file) = &self.history
                        && !line.trim().is_empty()
                        && let Err(error) = editor
                            .add_history_entry(&line)
                            .and_then(|_| editor.append_history(file))
                    {
                        let file = file.display();
                        context.messages.warning(format_args!("cannot write {file}: {error}"));
                        self.history = None;
                    }
                    return Ok(Some(line));
                }
                Err(ReadlineError::Eof) => return Ok(None),
                Err(ReadlineError::Interrupted) => {
                    context.messages.note("leave with /exit or Ctrl-D");
                }
                Err(error) => return Err(unreadable(&error).into()),
            }
        }
    }
}

fn unreadable(error: &impl std::error::Error) -> Report {
    Report::new(ErrorCode::Unexpected, "cannot read from the terminal").cause(error.to_string())
}

/// `~/.local/state/mcp/chat_history`, its folder made. Nothing is remembered where that fails.
fn history_file() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    let folder = folders.state_dir()?.join("mcp");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("chat_history"))
}
