//! What the options and the environment amount to, and which servers are configured.

use std::{
    env, fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::BaseStrategy as _;
use mcp_client::{
    FileVerdicts,
    config::{
        self, ConfigError, ConfigFile, Declared, Problem, ServerConfig, TransportConfig, Variables,
    },
};

use crate::{
    args::{Color, Global, Output},
    error_report::{Report, Result},
    exit_code::ErrorCode,
    messages::{ErrorForm, Loudness},
    theme::Theme,
    trust,
};

/// The name of the built-in demo server.
pub(crate) const DEMO: &str = "demo";

/// Settings of every command.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) output: Output,
    pub(crate) loudness: Loudness,
    pub(crate) verbose: u8,
    pub(crate) stdout_theme: Theme,
    pub(crate) stderr_theme: Theme,
    /// Whether progress may be drawn, where there is a terminal.
    pub(crate) progress: bool,
    /// Whether there is somebody to ask.
    pub(crate) interactive: bool,
    /// The longest silence during one call.
    pub(crate) timeout: Option<Duration>,
    /// Whether entries of a project's file are trusted without a question.
    pub(crate) trust: bool,
    config: Option<PathBuf>,
}

impl Settings {
    /// Reads the global options.
    pub(crate) fn new(global: &Global) -> Self {
        let output = match (global.json, global.output) {
            (true, _) => Output::Json,
            (false, chosen) => chosen.unwrap_or_default(),
        };
        let loudness = match global.quiet {
            0 => Loudness::Normal,
            1 => Loudness::Errors,
            _ => Loudness::Silent,
        };
        Self {
            output,
            loudness,
            verbose: global.verbose,
            stdout_theme: theme(global.color, &io::stdout()),
            stderr_theme: theme(global.color, &io::stderr()),
            progress: !global.no_progress,
            interactive: !global.no_input
                && io::stdin().is_terminal()
                && io::stderr().is_terminal(),
            timeout: global.timeout,
            trust: global.trust,
            config: global.config.clone(),
        }
    }

    /// How errors are told.
    pub(crate) fn error_form(&self) -> ErrorForm {
        match self.output {
            Output::Json | Output::Ndjson => ErrorForm::Json,
            Output::Text | Output::Raw => ErrorForm::Text,
        }
    }

    /// Reads the servers that need not be named by an address or a command.
    ///
    /// Files of the project in the working folder are not among them: they could start any
    /// program on behalf of whoever wrote the project. They are used when `--config` or
    /// `FILE#NAME` names them.
    pub(crate) fn configured(&self) -> Result<Configured> {
        match self.config_file() {
            Some(file) => read(&file),
            None => Ok(Configured::default()),
        }
    }

    /// The file that `--config` names, or that of the user if there is one.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| user_file().filter(|file| file.exists()))
    }
}

/// The servers of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    /// The file; `None` when there is none.
    pub(crate) file: Option<PathBuf>,
    /// The usable entries.
    pub(crate) servers: Vec<ServerConfig>,
    /// The others.
    pub(crate) problems: Vec<Problem>,
    /// How many calls may run at a time.
    pub(crate) max_concurrent_calls: Option<usize>,
}

impl Configured {
    /// Whether nothing is configured, so that the demo server stands in.
    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.problems.is_empty()
    }

    /// The names of all entries, usable or not.
    pub(crate) fn names(&self) -> Vec<&str> {
        let usable = self.servers.iter().map(|server| server.name.as_str());
        let mut names: Vec<&str> =
            usable.chain(self.problems.iter().map(|problem| problem.server.as_str())).collect();
        if !names.contains(&DEMO) {
            names.push(DEMO);
        }
        names
    }
}

/// Reads one configuration file and looks up its variables.
pub(crate) fn read(file: &Path) -> Result<Configured> {
    let declared = declared(file)?;
    let environment = |name: &str| env::var(name).ok();
    let inputs = |id: &str| env::var(input_variable(id)).ok();
    let mut values = Variables::new(&environment).inputs(&inputs).keychain(&keychain);
    if let Some(folder) = workspace(file) {
        values = values.workspace(folder);
    }
    let mut found = declared.resolve(&values);
    trust::judge(&declared, &mut found)?;
    let ConfigFile { servers, problems, max_concurrent_calls, .. } = found;
    Ok(Configured { file: Some(file.to_owned()), servers, problems, max_concurrent_calls })
}

/// An entry of the operating system's keychain.
#[cfg(feature = "keychain")]
fn keychain(name: &str) -> std::result::Result<Option<String>, String> {
    config::keychain_entry(name).map_err(|error| {
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    })
}

#[cfg(not(feature = "keychain"))]
fn keychain(_: &str) -> std::result::Result<Option<String>, String> {
    Err("this build of mcp reads no keychain; build it with `--features keychain`, or use \
         ${file:PATH} or a variable of the environment"
        .to_owned())
}

/// Reads one configuration file, in the way of writing of any program.
pub(crate) fn declared(file: &Path) -> Result<Declared> {
    let project = env::current_dir().ok();
    config::declared_in(file, project.as_deref()).map_err(|error| {
        let report = Report::new(ErrorCode::Config, error.to_string()).causes_of(&error);
        let report = match error {
            ConfigError::NoServers { .. } => {
                report.help(r#"write {"mcpServers": {"NAME": {"command": "…", "args": []}}}"#)
            }
            _ => report,
        };
        report.into()
    })
}

/// Where the answer to a question of a configuration file is looked up: `MCP_INPUT_API_KEY`.
pub(crate) fn input_variable(id: &str) -> String {
    let name = id.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
    format!("MCP_INPUT_{}", name.to_ascii_uppercase())
}

/// The folder of the project that a file belongs to.
fn workspace(file: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(file).ok()?.parent()?.to_owned();
    let hidden = [".vscode", ".cursor", ".gemini", ".codex"];
    let inside = folder.file_name().is_some_and(|name| hidden.iter().any(|one| name == *one));
    if inside { folder.parent().map(Path::to_owned) } else { Some(folder) }
}

/// This program, as an MCP server.
pub(crate) fn demo_server() -> Result<ServerConfig> {
    let program = env::current_exe().map_err(|error| {
        Report::new(ErrorCode::Unexpected, "cannot find this program's own file")
            .cause(error.to_string())
    })?;
    Ok(ServerConfig::new(
        DEMO,
        TransportConfig::Stdio {
            command: program.to_string_lossy().into_owned(),
            args: vec!["demo-server".to_owned()],
            env: [].into(),
            cwd: None,
        },
    ))
}

/// `~/.config/mcp/mcp.json`, or its place under `XDG_CONFIG_HOME`.
pub(crate) fn user_file() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("mcp").join("mcp.json"))
}

/// What servers turned out to speak: `~/.local/state/mcp/verdicts.json`, or its place under
/// `XDG_STATE_HOME`. `None` where there is no home; then it is found out each time.
pub(crate) fn verdicts() -> Option<FileVerdicts> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    let folder = folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("mcp");
    // If that fails, so does the writing, which is reported.
    let _ = fs::create_dir_all(&folder);
    Some(FileVerdicts::new(folder.join("verdicts.json")))
}

/// A project's file in the working folder or above it.
pub(crate) fn project_file() -> Option<PathBuf> {
    let folder = env::current_dir().ok()?;
    let file = folder.ancestors().map(|folder| folder.join(".mcp.json")).find(|f| f.is_file())?;
    // A file that cannot be read is none to advise.
    fs::metadata(&file).ok().map(|_| file)
}

fn theme(color: Color, stream: &impl anstream::stream::RawStream) -> Theme {
    let colored = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            !matches!(anstream::AutoStream::choice(stream), anstream::ColorChoice::Never)
        }
    };
    if colored { Theme::Colored } else { Theme::Plain }
}
