//! Registries of servers, as the command line names them.

use std::env;

use mcp_client::{
    Secret,
    registry::{Registry, RegistryError, Search},
};

use crate::{
    args::RegistryOptions,
    error_report::{CliError, Report, Result},
    exit_code::ErrorCode,
    terminal_text::one_line,
};

/// How many names are offered when one is not known.
const OFFERED: usize = 3;

/// The registry that is meant.
pub(crate) fn open(options: &RegistryOptions) -> Result<Registry> {
    let registry = Registry::at(&options.registry).map_err(|error| failed(&error))?;
    let Some(name) = &options.registry_token_env else { return Ok(registry) };
    let token = env::var(name).map_err(|_| {
        let text = format!("the variable `{name}`, which --registry-token-env names, is not set");
        Report::new(ErrorCode::Usage, text)
    })?;
    let bearer = Secret::new(format!("Bearer {token}"));
    registry.header("authorization", &bearer).map_err(|error| failed(&error))
}

/// The error for a registry that does not give what was asked for.
pub(crate) fn failed(error: &RegistryError) -> CliError {
    let (code, help) = match error {
        RegistryError::Url { .. } => (ErrorCode::Usage, None),
        RegistryError::Delivery { .. } => {
            (ErrorCode::Unreachable, Some("name another with --registry URL, or MCP_REGISTRY"))
        }
        RegistryError::NotFound { .. } => (ErrorCode::UnknownServer, None),
        RegistryError::Status { .. } => (ErrorCode::Rejected, None),
        _ => (
            ErrorCode::ProtocolError,
            Some("the address may need a path, such as https://host/v0 or https://host/team/v0.1"),
        ),
    };
    Report::new(code, one_line(&error.to_string()))
        .causes_of(error)
        .maybe_help(help.map(str::to_owned))
        .into()
}

/// [`failed`] for a server by name, with names that may have been meant.
pub(crate) async fn no_server(name: &str, error: RegistryError, registry: &Registry) -> CliError {
    if !matches!(error, RegistryError::NotFound { .. }) {
        return failed(&error);
    }
    let text = name.rsplit('/').next().unwrap_or(name);
    let mut search = Search::new(text);
    search.limit = OFFERED;
    // What it has is only advice.
    let near = registry.search(&search).await.map(|found| found.servers).unwrap_or_default();
    let names: Vec<_> =
        near.iter().map(|one| format!("`{}`", one_line(&one.server.name))).collect();
    let help = if names.is_empty() {
        format!(
            "`mcp search {text}` looks for others; an address or `-- COMMAND` needs no registry"
        )
    } else {
        format!("did you mean {}?", names.join(" or "))
    };
    Report::new(ErrorCode::UnknownServer, one_line(&error.to_string()))
        .fact("looked", registry.url())
        .help(help)
        .into()
}
