//! From a file to the servers that it declares.

use std::{collections::BTreeMap, path::Path};

use mcp_transport::http::Reach;

use super::{
    ConfigError, Declared, Dialect, ExchangeEntry, Input, OAuthEntry, Origin, Problem, RemoteKind,
    ReplicasEntry, SandboxEntry, ServerEntry, Template, ToolChoice, TransportEntry,
    document::{self, Node, Value},
    fields::Fields,
    per_caller,
};
use crate::EraChoice;

/// Reads a file in any [`Dialect`].
///
/// # Errors
/// The file cannot be read, or is malformed as a whole, or declares no servers. What is wrong with
/// single entries is in [`Declared::problems`].
pub fn declared_in(file: &Path, project: Option<&Path>) -> Result<Declared, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    declare(&text, file, project)
}

/// [`declared_in`] for text that is already here; `file` tells the syntax by its ending and is
/// named in origins and errors. `project` chooses among the projects of a file that holds several.
///
/// # Errors
/// As [`declared_in`].
pub fn declare(text: &str, file: &Path, project: Option<&Path>) -> Result<Declared, ConfigError> {
    let (syntax, root) =
        document::read(text, file).map_err(|malformed| ConfigError::Malformed {
            origin: Origin { file: file.to_owned(), line: malformed.line },
            syntax: malformed.syntax.name(),
            reason: malformed.reason,
        })?;
    let no_servers = || ConfigError::NoServers { file: file.to_owned() };
    let (dialect, tables) = Dialect::find(syntax, &root, file, project).ok_or_else(no_servers)?;
    let mut declared = Declared::new(file, dialect);
    for table in tables {
        match &table.value {
            Value::Table(entries) => {
                for (name, node) in entries {
                    declared.add(Some(name), node, dialect);
                }
            }
            Value::List(items) => {
                for node in items {
                    declared.add(None, node, dialect);
                }
            }
            _ => return Err(no_servers()),
        }
    }
    settings(&mut declared, &root, dialect).map_err(|reason| ConfigError::Malformed {
        origin: Origin { file: file.to_owned(), line: root.line },
        syntax: syntax.name(),
        reason,
    })?;
    Ok(declared)
}

impl Declared {
    fn add(&mut self, name: Option<&str>, node: &Node, dialect: Dialect) {
        let origin = Origin { file: self.file.clone(), line: node.line };
        let id = ["id", "name"].iter().find_map(|key| match &node.get(key)?.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let Some(name) = name.or(id) else {
            let reason = "the entry needs an `id`".to_owned();
            return self.problems.push(Problem::new("(unnamed)", origin, reason));
        };
        if self.entries.iter().any(|known| known.name == name) {
            let reason = format!("the name `{name}` is used twice; rename one");
            return self.problems.push(Problem::new(name, origin, reason));
        }
        match entry(name, node, dialect, origin.clone()) {
            Ok(Some(entry)) => self.entries.push(entry),
            Ok(None) => {}
            Err(reason) => {
                let is = |key: &str, on: bool| matches!(node.get(key), Some(Node { value: Value::Bool(said), .. }) if *said == on);
                let required =
                    is("required", true) && !is("enabled", false) && !is("disabled", true);
                let problem = Problem::new(name, origin, reason);
                self.problems.push(Problem { required, ..problem });
            }
        }
    }
}

/// Reads one entry; `None` for what is no MCP server, such as goose's own extensions.
fn entry(
    name: &str,
    node: &Node,
    dialect: Dialect,
    origin: Origin,
) -> Result<Option<ServerEntry>, String> {
    let fields =
        Fields::new(node, dialect).ok_or("the entry must be an object with `command` or `url`")?;
    let kind = fields.plain(&["type"])?;
    if dialect == Dialect::Goose
        && kind.as_deref().is_some_and(|kind| {
            matches!(kind, "builtin" | "platform" | "frontend" | "inline_python")
        })
    {
        return Ok(None);
    }
    let transport = match fields.inside(&["source"]) {
        // One dialect has its transport inside, another says `"source": "custom"`.
        Ok(Some(source)) => {
            let transport = transport(&source, source.plain(&["type"])?.as_deref())?;
            with_bearer(transport, &fields)?
        }
        _ => with_bearer(transport(&fields, kind.as_deref())?, &fields)?,
    };
    let era = match fields.plain(&["protocolEra", "protocol_era"])?.as_deref() {
        None | Some("auto") => EraChoice::Auto,
        Some("legacy") => EraChoice::Legacy,
        Some("modern") => EraChoice::Modern,
        Some(other) => {
            return Err(format!("`protocolEra` must be auto, legacy or modern, not `{other}`"));
        }
    };
    let enabled =
        fields.flag(&["enabled"])?.unwrap_or(true) && !fields.flag(&["disabled"])?.unwrap_or(false);
    let timeout = if dialect.timeout_in_seconds() {
        fields.seconds(&["timeout"])?
    } else {
        fields.millis(&["timeout"])?
    };
    let inside = match fields.inside(&["source"]) {
        Ok(Some(source)) => source.seconds(&["timeout_secs"])?,
        _ => None,
    };
    let startup = fields.millis(&["connectionTimeout", "startup_timeout_ms"])?;
    fields.node(&["id", "source", "type"]);
    // The name of an entry in a list is its id; beside an id it is for display.
    let title = fields.plain(&["title", "name"])?.filter(|title| title != name);
    let replicas = ReplicasEntry::read(&fields, &transport)?;
    let oauth = oauth(&fields)?;
    if let Some(oauth) = &oauth {
        ExchangeEntry::check(oauth, &transport, replicas.is_some())?;
        per_caller::check(oauth, &transport, replicas.is_some())?;
    }
    Ok(Some(ServerEntry {
        name: name.to_owned(),
        title,
        description: fields.plain(&["description"])?,
        origin,
        dialect,
        replicas,
        transport,
        enabled,
        required: fields.flag(&["required"])?.unwrap_or(false),
        era,
        startup_timeout: startup.or(fields.seconds(&["startup_timeout_sec"])?),
        call_timeout: timeout.or(inside).or(fields.seconds(&["tool_timeout_sec", "tool_timeout"])?),
        max_concurrent_calls: concurrent(&fields)?,
        tools: tool_choice(&fields)?,
        tool_prefix: fields.plain(&["tool_prefix", "toolPrefix"])?,
        resources: fields.plains(&["resources"])?.unwrap_or_default(),
        sandbox: SandboxEntry::read(&fields)?,
        reach: reach(&fields)?,
        oauth,
        input_defaults: BTreeMap::new(),
        unknown: fields.unknown(),
    }))
}

fn concurrent(fields: &Fields<'_>) -> Result<Option<usize>, String> {
    match fields.whole(&["max_concurrent_calls", "maxConcurrentCalls"])? {
        Some(0) => Err("`max_concurrent_calls` must be at least 1".to_owned()),
        calls => Ok(calls.map(|calls| usize::try_from(calls).unwrap_or(usize::MAX))),
    }
}

fn reach(fields: &Fields<'_>) -> Result<Reach, String> {
    match fields.plain(&["reach"])?.as_deref() {
        None | Some("anywhere") => Ok(Reach::Anywhere),
        Some("public") => Ok(Reach::Public),
        Some(other) => Err(format!("`reach` must be public or anywhere, not `{other}`")),
    }
}

fn tool_choice(fields: &Fields<'_>) -> Result<ToolChoice, String> {
    let allow = ["enabled_tools", "available_tools", "includeTools", "allowedTools", "tools"];
    // An empty list of goose means all.
    let allow = fields
        .plains(&allow)?
        .filter(|tools| !(tools.is_empty() && fields.dialect == Dialect::Goose));
    Ok(ToolChoice {
        // VS Code writes `["*"]` for all.
        allow: allow.filter(|tools| tools.iter().all(|tool| tool != "*")),
        deny: fields
            .plains(&["disabled_tools", "excludeTools", "disabledTools"])?
            .unwrap_or_default(),
        approved: fields.plains(&["autoApprove", "alwaysAllow"])?.unwrap_or_default(),
        trusted: fields.flag(&["trust"])?.unwrap_or(false),
    })
}

/// The members that hold a URL, one program's or another's.
const URLS: [&str; 5] = ["httpUrl", "serverUrl", "url", "uri", "baseUrl"];

fn transport(fields: &Fields<'_>, kind: Option<&str>) -> Result<TransportEntry, String> {
    // Zed once put the whole command into an object.
    if let Ok(Some(command)) = fields.inside(&["command"]) {
        let path = command.template(&["path"])?.ok_or("`command` has no `path`")?;
        let args = command.templates(&["args"])?;
        return stdio(&command, path, args);
    }
    // opencode's command is a list with the arguments in it.
    let listed = match fields.node(&["command"]) {
        Some((_, Node { value: Value::List(_), .. })) => {
            let mut words = fields.templates(&["command"])?.into_iter();
            Some((words.next().ok_or("`command` is empty")?, words.collect::<Vec<_>>()))
        }
        _ => None,
    };
    let command = match listed {
        Some(command) => Some(command),
        None => fields
            .template(&["command", "cmd"])?
            .map(|command| fields.templates(&["args"]).map(|args| (command, args)))
            .transpose()?,
    };
    let named = fields.node(&URLS).map(|(name, _)| name);
    match (command, fields.template(&URLS)?) {
        (Some((command, args)), None) => stdio(fields, command, args),
        (None, Some(url)) => remote(fields, url, kind, named),
        (Some(_), Some(_)) => Err("has both `command` and `url`; remove one".to_owned()),
        (None, None) => Err("has neither `command` nor `url`; add one".to_owned()),
    }
}

fn stdio(
    fields: &Fields<'_>,
    command: Template,
    args: Vec<Template>,
) -> Result<TransportEntry, String> {
    let mut env = fields.template_map(&["env", "envs", "environment"])?;
    // Secrets that are named and not written.
    for name in fields.plains(&["env_keys"])?.unwrap_or_default() {
        env.insert(name.clone(), Template::environment(name));
    }
    if let Some((_, Node { value: Value::List(items), .. })) = fields.node(&["env_vars"]) {
        for item in items {
            let ((Value::Text(name), _) | (_, Some(Value::Text(name)))) =
                (&item.value, item.get("name").map(|name| &name.value))
            else {
                return Err("`env_vars` must be a list of names".to_owned());
            };
            env.insert(name.clone(), Template::environment(name));
        }
    }
    Ok(TransportEntry::Stdio {
        command,
        args,
        env,
        env_file: fields.template(&["envFile", "env_file"])?,
        cwd: fields.template(&["cwd", "work_dir", "workingDirectory"])?,
    })
}

fn remote(
    fields: &Fields<'_>,
    url: Template,
    kind: Option<&str>,
    named: Option<&str>,
) -> Result<TransportEntry, String> {
    let text = url.to_string();
    let kind = match kind {
        _ if text.starts_with("ws://") || text.starts_with("wss://") => RemoteKind::WebSocket,
        Some("ws" | "websocket" | "WebSocket") => RemoteKind::WebSocket,
        Some("sse" | "Sse") => RemoteKind::Sse,
        // A URL of Gemini that is not `httpUrl`.
        None if fields.dialect == Dialect::Gemini && named == Some("url") => RemoteKind::Sse,
        // A type that contradicts the keys, such as `stdio`, says nothing.
        _ => RemoteKind::Http,
    };
    let mut headers = fields.template_map(&["headers", "http_headers"])?;
    for (header, variable) in fields.template_map(&["env_http_headers"])? {
        headers.insert(header, Template::environment(variable.to_string()));
    }
    if let Some(variable) = fields.plain(&["bearer_token_env_var"])? {
        authorize(&mut headers, Template::environment(variable));
    }
    Ok(TransportEntry::Remote { kind, url, headers })
}

/// Adds a token that stands beside the transport.
fn with_bearer(
    mut transport: TransportEntry,
    fields: &Fields<'_>,
) -> Result<TransportEntry, String> {
    if let Some(token) = fields.template(&["bearer_token"])? {
        match &mut transport {
            TransportEntry::Remote { headers, .. } => authorize(headers, token),
            TransportEntry::Stdio { .. } => {
                return Err("`bearer_token` has no meaning for a command; remove it".to_owned());
            }
        }
    }
    Ok(transport)
}

fn authorize(headers: &mut BTreeMap<String, Template>, token: Template) {
    headers.insert("Authorization".to_owned(), token.prefixed("Bearer "));
}

fn oauth(fields: &Fields<'_>) -> Result<Option<OAuthEntry>, String> {
    let outer = fields.plains(&["scopes"])?;
    // `"oauth": false` switches it off, and true says nothing more.
    if let Ok(Some(_)) = fields.flag(&["oauth"]) {
        return Ok(None);
    }
    let Some(inside) = fields.inside(&["oauth", "auth"])? else {
        return Ok(outer.map(|scopes| OAuthEntry { scopes, ..OAuthEntry::default() }));
    };
    // Some write a list, and some write the list as OAuth does.
    let scopes = match inside.node(&["scopes", "scope"]) {
        Some((_, Node { value: Value::Text(text), .. })) => {
            text.split_whitespace().map(str::to_owned).collect()
        }
        _ => inside.plains(&["scopes", "scope"])?.unwrap_or_default(),
    };
    let port = inside.whole(&["callbackPort", "callback_port"])?;
    let callback_port = port
        .map(|port| u16::try_from(port).map_err(|_| format!("`callbackPort` {port} is no port")))
        .transpose()?;
    Ok(Some(OAuthEntry {
        client_id: inside.template(&["clientId", "client_id", "CLIENT_ID"])?,
        client_secret: inside.template(&["clientSecret", "client_secret", "CLIENT_SECRET"])?,
        scopes: if scopes.is_empty() { outer.unwrap_or_default() } else { scopes },
        callback_port,
        metadata_url: inside.plain(&["authServerMetadataUrl"])?,
        token_url: inside.plain(&["tokenUrl", "token_url"])?,
        allow_private_addresses: inside.flag(&["allowPrivateAddresses"])?.unwrap_or_default(),
        exchange: ExchangeEntry::read(&inside)?,
        per_caller: inside.flag(&["perCaller"])?.unwrap_or_default(),
    }))
}

/// What a file says about all its servers.
fn settings(declared: &mut Declared, root: &Node, dialect: Dialect) -> Result<(), String> {
    let Some(fields) = Fields::new(root, dialect) else { return Ok(()) };
    if dialect == Dialect::MistralRs {
        declared.call_timeout = fields.seconds(&["tool_timeout_secs"])?;
        declared.auto_register_tools = fields.flag(&["auto_register_tools"])?;
        declared.max_concurrent_calls = concurrent(&fields)?;
    }
    let nested = root.get("mcp").and_then(|mcp| mcp.get("inputs"));
    let inputs = root.get("inputs").or(nested).map(|node| &node.value);
    if let Some(Value::List(inputs)) = inputs {
        for node in inputs {
            declared.inputs.push(input(node, dialect)?);
        }
    }
    let Declared { entries, inputs, .. } = declared;
    for entry in entries {
        entry.default_inputs(inputs);
    }
    Ok(())
}

fn input(node: &Node, dialect: Dialect) -> Result<Input, String> {
    let fields = Fields::new(node, dialect).ok_or("an entry of `inputs` must be an object")?;
    Ok(Input {
        id: fields.plain(&["id"])?.ok_or("an entry of `inputs` needs an `id`")?,
        description: fields.plain(&["description"])?,
        default: fields.plain(&["default"])?,
        password: fields.flag(&["password"])?.unwrap_or(false),
        options: fields.plains(&["options"])?.unwrap_or_default(),
    })
}
