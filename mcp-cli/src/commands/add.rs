//! `mcp add`

use std::{env, path::Path};

use mcp_client::{
    config::{
        self, AddError, Added, ConfigError, Dialect, IfThere, Origin, RemoteKind, ServerEntry,
        Template, TransportEntry, Variable,
    },
    registry::{Answers, Kind, Listed, Need, NotUsable, OFFICIAL, Status, Way},
};
use mcp_transport::http::Reach;
use serde_json::json;

use crate::{
    args::{AddArgs, Era, Output},
    ask::ask,
    connect::{name_of_command, name_of_url},
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    printer::Printer,
    progress::wait,
    quote::quote,
    registry,
    settings::user_file,
    target::Target,
    targets,
    terminal_text::one_line,
    theme::Role,
    trust::describe,
};

pub(super) async fn run(
    args: AddArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    let file = context.settings.config_file().or_else(user_file).ok_or_else(|| {
        Report::new(ErrorCode::Config, "there is no home folder to keep a configuration in")
            .help("name a file with --config FILE")
    })?;
    let origin = Origin { file: file.clone(), line: 1 };
    let entry = match (&args.what, args.command.is_empty()) {
        (what, false) => {
            let name = args.named.as_ref().or(what.as_ref()).cloned();
            of_command(name.unwrap_or_else(|| name_of_command(&args.command)), &args, origin)?
        }
        (Some(what), true) => match Target::parse(what).map_err(|error| targets::wrong(&error))? {
            Target::Url(url) => of_url(&url, &args, origin)?,
            Target::Command(words) => {
                let args = AddArgs { command: words, ..args.clone() };
                let name = args.named.clone();
                let name = name.unwrap_or_else(|| name_of_command(&args.command));
                of_command(name, &args, origin)?
            }
            Target::Name(name) => of_registry(&name, &args, origin, context).await?,
            Target::File { .. } => {
                return Err(Report::new(ErrorCode::Usage, "an entry of a file is there already")
                    .help("`mcp config export FILE` writes a file in another program's way")
                    .into());
            }
        },
        (None, true) => return Err(Report::new(ErrorCode::Usage, "nothing is named").into()),
    };
    let entry = with_options(entry, &args)?;
    let if_there = if args.replace { IfThere::Replace } else { IfThere::Refuse };
    let added = if args.dry_run {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                let source = ConfigError::Unreadable { file: file.clone(), source };
                return Err(refused(&AddError::File { file, source }));
            }
        };
        config::add(&text, &file, &entry, if_there)
    } else {
        config::add_to_file(&file, &entry, if_there)
    };
    let added = added.map_err(|error| refused(&error))?;
    tell(&entry, &added, &file, args.dry_run, printer)?;
    for note in &added.notes {
        context.messages.warning(one_line(note));
    }
    let unset = unset(&entry);
    if !unset.is_empty() {
        let verb = if unset.len() == 1 { "is" } else { "are" };
        let text = format!("{} {verb} not set; `{}` needs it", unset.join(", "), entry.name);
        context.messages.note(one_line(&text));
    } else if !args.dry_run {
        context.messages.note(format_args!("try it: mcp tools {}", quote(&entry.name)));
    }
    Ok(ExitCode::Success)
}

fn tell(
    entry: &ServerEntry,
    added: &Added,
    file: &Path,
    dry_run: bool,
    printer: &mut Printer,
) -> Result<()> {
    if printer.output() != Output::Text {
        return printer.json(&json!({
            "schema": 1, "name": entry.name, "file": file, "entry": added.entry,
            "replaced": added.replaced, "written": !dry_run, "unset": unset(entry),
        }));
    }
    let name = printer.paint(Role::Name, one_line(&entry.name));
    let verb = match (dry_run, added.replaced) {
        (false, false) => "added",
        (false, true) => "replaced",
        (true, false) => "would add",
        (true, true) => "would replace",
    };
    printer.line(format_args!("{verb} {name} in {}", file.display()))?;
    for line in describe(entry) {
        printer.line(format_args!("  {line}"))?;
    }
    Ok(())
}

fn of_command(name: String, args: &AddArgs, origin: Origin) -> Result<ServerEntry> {
    let mut words = args.command.iter().map(|word| Template::parse(word, Dialect::ClaudeCode));
    let command =
        words.next().ok_or_else(|| Report::new(ErrorCode::Usage, "the command is empty"))?;
    let args = words.collect();
    let (env, env_file, cwd) = ([].into(), None, None);
    let transport = TransportEntry::Stdio { command, args, env, env_file, cwd };
    Ok(ServerEntry::new(name, transport, origin))
}

fn of_url(url: &str, args: &AddArgs, origin: Origin) -> Result<ServerEntry> {
    let kind = match (args.kind.map(Kind::from), url) {
        (Some(Kind::Sse), _) => RemoteKind::Sse,
        (None | Some(Kind::Http), url) if url.starts_with("ws") => RemoteKind::WebSocket,
        (None | Some(Kind::Http), _) => RemoteKind::Http,
        _ => return Err(Report::new(ErrorCode::Usage, "an address is no package").into()),
    };
    let name = args.named.clone().unwrap_or_else(|| name_of_url(url));
    let url = Template::parse(url, Dialect::ClaudeCode);
    let transport = TransportEntry::Remote { kind, url, headers: [].into() };
    Ok(ServerEntry::new(name, transport, origin))
}

async fn of_registry(
    name: &str,
    args: &AddArgs,
    origin: Origin,
    context: &Context,
) -> Result<ServerEntry> {
    let registry = registry::open(&args.registry)?;
    let asking = |_| format!("asking {}", registry.url());
    let looking = registry.server(name, args.at.as_deref());
    let listed = match wait(&context.messages, looking, asking).await {
        Ok(listed) => listed,
        Err(error) => return Err(registry::no_server(name, error, &registry).await),
    };
    if listed.status() != Status::Active {
        let why = listed.status_message().unwrap_or("its publisher says no more");
        context.messages.warning(format_args!("`{name}` is no longer kept up: {}", one_line(why)));
    }
    let way = choose(&listed, args.kind.map(Into::into))?;
    let answers = answers(&way, &args.set, context).await?;
    let key = args.named.clone().unwrap_or_else(|| listed.server.short_name().to_owned());
    let mut entry =
        way.entry(&key, origin, &answers).map_err(|error| not_usable(name, &way, &error))?;
    // A registry of one's own may list servers of one's own network.
    if args.registry.registry != OFFICIAL {
        entry.reach = Reach::Anywhere;
    }
    let others: Vec<_> =
        listed.server.kinds().into_iter().filter(|kind| *kind != way.kind()).collect();
    if args.kind.is_none() && !others.is_empty() {
        let others: Vec<_> = others.iter().map(ToString::to_string).collect();
        let text = format!("uses {}; --type has also {}", way.kind(), others.join(", "));
        context.messages.note(text);
    }
    Ok(entry)
}

/// The way that was asked for, else the first that anything here can use.
fn choose(listed: &Listed, kind: Option<Kind>) -> Result<Way<'_>> {
    let name = &listed.server.name;
    let ways = listed.server.ways();
    let mut fitting = ways.iter().filter(|way| kind.is_none_or(|kind| way.kind() == kind));
    if let Some(way) = fitting.clone().find(|way| way.usable().is_ok()) {
        return Ok(*way);
    }
    let text = format!("`{}` cannot be added", one_line(name));
    let report = Report::new(ErrorCode::Config, text);
    Err(match (fitting.next(), ways.as_slice()) {
        (Some(way), _) => not_usable(name, way, &way.usable().err().unwrap_or_else(nothing)),
        (None, []) => report.cause("its publisher names no package and no URL").into(),
        (None, _) => {
            let kinds: Vec<_> = listed.server.kinds().iter().map(ToString::to_string).collect();
            report
                .cause(format!("there is no way of this type; there is {}", kinds.join(", ")))
                .into()
        }
    })
}

fn nothing() -> NotUsable {
    NotUsable::Unsupported("cannot be used".to_owned())
}

/// What was said on the command line, and what a person says now.
async fn answers(way: &Way<'_>, set: &[String], context: &Context) -> Result<Answers> {
    let needs = way.needs();
    let mut answers = Answers::new();
    for pair in set {
        let Some((id, answer)) = pair.split_once('=') else {
            let text = format!("`--set {pair}` must have the form NAME=VALUE");
            return Err(Report::new(ErrorCode::Usage, text).into());
        };
        answers = answers.with(id, answer);
    }
    let known = |id: &str| {
        let asked = |need: &Need| need.id.trim_start_matches('-').eq_ignore_ascii_case(id);
        needs.iter().any(asked)
    };
    if let Some(unknown) = answers.ids().find(|id| !known(id)) {
        let report = Report::new(ErrorCode::Usage, format!("nothing is called `{unknown}`"));
        return Err(report.help(list(&needs)).into());
    }
    for need in needs.iter().filter(|need| need.is_required && !need.is_secret) {
        if answers.has(&need.id) || !context.settings.interactive {
            continue;
        }
        if let Some(about) = &need.description {
            let about = context.messages.paint(Role::Dim, one_line(about));
            context.messages.note(format_args!("{about}"));
        }
        let hint = match (&need.choices[..], &need.placeholder) {
            ([], None) => String::new(),
            ([], Some(like)) => format!(" (such as {})", one_line(like)),
            (choices, _) => format!(" ({})", one_line(&choices.join("|"))),
        };
        let question = format!("{}{hint}:", one_line(&need.id));
        let question = context.messages.paint(Role::Label, question);
        if let Some(answer) = ask(context, question).await?.filter(|answer| !answer.is_empty()) {
            answers = answers.with(&need.id, &answer);
        }
    }
    Ok(answers)
}

/// What can be set, for advice.
fn list(needs: &[Need]) -> String {
    if needs.is_empty() {
        return "it asks for nothing".to_owned();
    }
    let ids: Vec<_> = needs.iter().map(|need| one_line(&need.id)).collect();
    format!("it asks for {}", ids.join(", "))
}

fn not_usable(name: &str, way: &Way<'_>, error: &NotUsable) -> CliError {
    let text = format!("`{}` {}", one_line(name), one_line(&error.to_string()));
    let report = Report::new(ErrorCode::Config, text).fact("is", one_line(&way.what()));
    let NotUsable::Missing { ids } = error else { return report.into() };
    let needs = way.needs();
    let mut report = report;
    for need in needs.iter().filter(|need| ids.contains(&need.id)) {
        let about = need.description.as_deref().unwrap_or_default();
        let choices = match need.choices.as_slice() {
            [] => String::new(),
            choices => format!(" ({})", choices.join("|")),
        };
        report = report.fact("needs", one_line(&format!("{}{choices}  {about}", need.id)));
    }
    let set: Vec<_> = ids.iter().map(|id| format!("--set {}=…", quote(&one_line(id)))).collect();
    report.help(set.join(" ")).into()
}

/// Adds what other options say.
fn with_options(mut entry: ServerEntry, args: &AddArgs) -> Result<ServerEntry> {
    let options = &args.server;
    match &mut entry.transport {
        TransportEntry::Stdio { env, .. } => {
            if !options.header.is_empty() {
                return Err(Report::new(
                    ErrorCode::Usage,
                    "a command has no headers; -e sets variables",
                )
                .into());
            }
            for pair in &options.env {
                let (name, value) = match pair.split_once('=') {
                    Some((name, value)) => (name, Template::parse(value, Dialect::ClaudeCode)),
                    None => (pair.as_str(), Template::environment(pair)),
                };
                env.insert(name.to_owned(), value);
            }
        }
        TransportEntry::Remote { headers, .. } => {
            if !options.env.is_empty() {
                return Err(Report::new(
                    ErrorCode::Usage,
                    "an address has no variables; -H sets headers",
                )
                .into());
            }
            for header in &options.header {
                let (name, value) = header.split_once(':').ok_or_else(|| {
                    Report::new(ErrorCode::Usage, "a header must have the form `NAME: VALUE`")
                })?;
                let value = Template::parse(value.trim(), Dialect::ClaudeCode);
                headers.insert(name.trim().to_owned(), value);
            }
        }
        _ => {}
    }
    if let Some(era) = options.era {
        entry.era = match era {
            Era::Auto => mcp_client::EraChoice::Auto,
            Era::Legacy => mcp_client::EraChoice::Legacy,
            Era::Modern => mcp_client::EraChoice::Modern,
        };
    }
    entry.startup_timeout = options.startup_timeout.or(entry.startup_timeout);
    Ok(entry)
}

/// The environment variables that the entry needs and that are not set here.
fn unset(entry: &ServerEntry) -> Vec<String> {
    let mut unset = Vec::new();
    for variable in entry.variables() {
        if let Variable::Environment { name, default: None } = variable
            && env::var_os(name).is_none()
            && !unset.contains(name)
        {
            unset.push(name.clone());
        }
    }
    unset
}

fn refused(error: &AddError) -> CliError {
    let report = Report::new(ErrorCode::Config, error.to_string()).causes_of(error);
    match error {
        AddError::Exists { .. } => {
            report.help("--name NAME calls it otherwise, --replace replaces it")
        }
        AddError::Unsupported { .. } => {
            report.help("--dry-run --config other.json shows the entry to write by hand")
        }
        _ => report,
    }
    .into()
}
