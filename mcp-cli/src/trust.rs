//! Whether servers that somebody else wrote down may be used.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use mcp_client::{
    KeptFileError, Refusal, ServerStatus,
    config::{
        AllowList, ConfigFile, Declared, ServerConfig, ServerEntry, TransportEntry, TrustStore,
    },
};

use crate::{
    ask::ask,
    context::Context,
    error_report::{Report, Result},
    exit_code::ErrorCode,
    settings,
    terminal_text::one_line,
    theme::Role,
};

/// Files that come with a project, by their ends.
const PROJECT_FILES: &[&str] = &[
    ".mcp.json",
    ".mcp.toml",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
    ".vscode/settings.json",
    ".gemini/settings.json",
    ".codex/config.toml",
    ".zed/settings.json",
    "opencode.json",
    "opencode.jsonc",
];

/// The list of an administrator.
const ALLOWED: &str = "/etc/mcp/allowed-servers.json";

/// Where this user's decisions are kept.
pub(crate) fn state_file(name: &str) -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.data_dir().join("mcp").join(name))
}

/// The agreements of this user.
pub(crate) fn store() -> Result<TrustStore> {
    let file = state_file("trust.json").ok_or_else(|| {
        Report::new(ErrorCode::Config, "there is no home folder to remember trust in")
    })?;
    Ok(TrustStore::at(file))
}

/// Whether a file comes with a project. Those of programs in the user's own folders do not.
fn is_of_a_project(file: &Path) -> bool {
    let file = file.canonicalize().or_else(|_| std::path::absolute(file));
    let Ok(file) = file else { return true };
    let Some(folder) = PROJECT_FILES
        .iter()
        .find(|end| file.ends_with(end))
        .and_then(|end| file.ancestors().nth(Path::new(end).components().count()))
    else {
        return false;
    };
    let folders = etcetera::base_strategy::choose_base_strategy();
    folders.map_or(true, |folders| {
        let home = folders.home_dir();
        let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
        let config = folders.config_dir();
        folder != home && !folder.starts_with(config.canonicalize().unwrap_or(config))
    })
}

/// Marks the servers of a project's file that nobody agreed to.
pub(crate) fn judge(declared: &Declared, found: &mut ConfigFile) -> Result<()> {
    if is_of_a_project(&declared.file) {
        store()?.judge(declared, found).map_err(|error| kept(&error))?;
    }
    Ok(())
}

/// Asks about the servers that nobody agreed to, where there is somebody to ask.
pub(crate) async fn agree(servers: &mut [ServerConfig], context: &Context) -> Result<()> {
    for server in servers {
        let (Some(digest), Some(origin)) = (server.untrusted, server.origin.clone()) else {
            continue;
        };
        if !context.settings.trust && !context.settings.interactive {
            continue;
        }
        let declared = settings::declared(&origin.file)?;
        // What is asked about is what would be started.
        let Some(entry) = declared.entry(&server.name).filter(|entry| entry.digest() == digest)
        else {
            continue;
        };
        if context.settings.trust || is_agreed_to(entry, context).await? {
            store()?.trust(entry).map_err(|error| kept(&error))?;
            server.untrusted = None;
        }
    }
    Ok(())
}

async fn is_agreed_to(entry: &ServerEntry, context: &Context) -> Result<bool> {
    let messages = &context.messages;
    let name = messages.paint(Role::Name, one_line(&entry.name));
    messages.note(format_args!("{} wants to use a server {name}:", entry.origin));
    for line in describe(entry) {
        messages.note(format_args!("  {line}"));
    }
    let question = messages.paint(Role::Label, "use it, now and later? [y/N]");
    let answer = ask(context, question).await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What an entry would do, as it is written. A person must see all of it.
pub(crate) fn describe(entry: &ServerEntry) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |label: &str, text: String| lines.push(format!("{label:8}{}", one_line(&text)));
    match &entry.transport {
        TransportEntry::Stdio { command, args, env, env_file, cwd } => {
            let words: Vec<String> =
                std::iter::once(command).chain(args).map(ToString::to_string).collect();
            add("runs", crate::quote::join(&words));
            for (name, value) in env {
                add("with", format!("{name}={value}"));
            }
            if let Some(file) = env_file {
                add("with", format!("the variables of {file}"));
            }
            if let Some(folder) = cwd {
                add("in", folder.to_string());
            }
        }
        TransportEntry::Remote { url, headers, .. } => {
            add("asks", url.to_string());
            for (name, value) in headers {
                add("with", format!("{name}: {value}"));
            }
        }
        _ => {}
    }
    if let Some(replicas) = &entry.replicas {
        for url in &replicas.urls {
            add("and", url.to_string());
        }
        if let Some(count) = replicas.count {
            add("times", count.to_string());
        }
    }
    for (input, value) in &entry.input_defaults {
        add("with", format!("{value} for its input {input}"));
    }
    if entry.tools.trusted {
        add("and", "believes what it says of its tools".to_owned());
    }
    if !entry.tools.approved.is_empty() {
        let tools = entry.tools.approved.join(", ");
        add("and", format!("runs these of its tools without asking: {tools}"));
    }
    if entry.sandbox.is_some() {
        add("in", "a sandbox".to_owned());
    }
    lines
}

/// The list of servers that may be used, if there is one.
pub(crate) fn allowed() -> Result<Option<AllowList>> {
    let file = env::var_os("MCP_ALLOWED_SERVERS").map_or_else(|| ALLOWED.into(), PathBuf::from);
    let wrong = |cause: String| {
        let message = format!("cannot use the list of allowed servers in {}", file.display());
        Report::new(ErrorCode::Config, message).cause(cause)
    };
    match fs::read_to_string(&file) {
        Ok(text) => {
            Ok(Some(serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && file == Path::new(ALLOWED) => {
            Ok(None)
        }
        Err(error) => Err(wrong(error.to_string()).into()),
    }
}

/// The error for a server that may not be used.
pub(crate) fn refused(status: &ServerStatus, refusal: &Refusal) -> Report {
    let name = &status.name;
    let report = Report::new(ErrorCode::Refused, format!("server `{name}` is refused: {refusal}"));
    let report = match &status.origin {
        Some(origin) => report.fact("from", origin.to_string()),
        None => report,
    };
    let report = match (refusal, &status.origin) {
        (Refusal::Untrusted { .. }, Some(origin)) => {
            let file = origin.file.display();
            report
                .fact("is", status.endpoint.clone())
                .help(format!("`mcp trust add {file} {name}`, or --trust for this command"))
        }
        _ => report,
    };
    report.server(name)
}

/// The error for a file of decisions that cannot be used.
pub(crate) fn kept(error: &KeptFileError) -> Report {
    Report::new(ErrorCode::Config, error.to_string()).causes_of(error)
}
