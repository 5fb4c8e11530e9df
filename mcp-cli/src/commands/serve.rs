//! `mcp serve`

use std::{env, io, net::SocketAddr};

use listenfd::ListenFd;
use mcp_agent::{
    service::{ChatOptions, Service, ServiceOptions, random_token},
    stack::StackOptions,
};
use mcp_client::{Hub, HubOptions, Secret, Server};
use mcp_transport::serve::{self, Guard};
use serde_json::json;
use tokio::net::TcpListener;

use super::{serve_check, serve_keys};
use crate::{
    agent::is_chosen,
    args::{Output, ServeAction, ServeArgs},
    connect::choose,
    context::Context,
    error_report::{CliError, Report, Result},
    exit_code::{ErrorCode, ExitCode},
    interrupt::asked_to_end,
    models::{self, FoundModel},
    pins,
    printer::Printer,
    reload::{Following, Selection},
    replicas::Shared,
    required::Required,
    serve_file::{self, ServeFile},
    server_line::say_that_demo_is_used,
    service_log, targets,
};

pub(super) async fn run(
    mut args: ServeArgs,
    context: &Context,
    printer: &mut Printer,
) -> Result<ExitCode> {
    args.server.for_callers = !args.stdio;
    if let Some(ServeAction::Keys { action }) = args.action {
        return serve_keys::run(action, printer);
    }
    if args.check {
        args.replicas.check().await?;
        return serve_check::check(&args, context, printer);
    }
    if let Some(what) = &args.explain {
        return serve_check::explain(what, &args, context, printer);
    }
    if let Some(format) = args.log_format {
        service_log::begin(format, context.settings.verbose, &context.messages)?;
    }
    let shared = args.replicas.shared(context).await?;
    if args.stdio {
        let (hub, layers, _following) = start(&args, &shared, context).await?;
        let layers = shared.layers(layers, &hub)?;
        let options = pinned(ServiceOptions::new().layers(layers), &args, &shared, context);
        let service = Service::of_hub(hub, options);
        return serve::stdio(service.mcp())
            .await
            .map(|()| ExitCode::Success)
            .map_err(|error| stopped(&error));
    }
    let listener = listener(&args).await?;
    let address = listener.local_addr().map_err(|error| stopped(&error))?;
    let file = ServeFile::read_to_serve(args.settings.as_deref())?;
    let access = file.access();
    let token = token(&args, address, access.is_empty())?;
    let has_way_back = access.public_url.is_some() || address.ip().is_loopback();
    if !has_way_back && access.issuers.iter().any(|issuer| issuer.client_id.is_some()) {
        return Err(no_way_back("people sign in at an issuer"));
    }
    let mut guard = Guard::default();
    for host in &args.hosts {
        guard = guard.allow_host(host);
    }
    for origin in &args.origins {
        guard = guard.allow_origin(origin);
    }
    let options = ServiceOptions::new().guard(guard).access(access).limits(file.limits());
    let mut options = shared.service(options);
    if args.allow_templates {
        options = file.with_templates(options)?;
    }
    if args.pass_baggage {
        options = options.pass_baggage();
    }
    #[cfg(feature = "otlp")]
    let traces = traces(&args)?;
    #[cfg(feature = "otlp")]
    if let Some(traces) = &traces {
        options = options.spans(traces.clone());
    }
    if let Some(token) = &token {
        options = options.token(token.clone());
    }
    if !args.no_model {
        options = options.chat(chat(&args, context).await?);
    }
    if args.sessions {
        options = shared.conversations(options)?;
    }
    let (hub, layers, _following) = start(&args, &shared, context).await?;
    let _alerting = file.alerts(&hub)?;
    let layers = shared.layers(layers, &hub)?;
    let options = pinned(options.layers(layers), &args, &shared, context);
    let service = Service::of_hub(hub, options);
    let _following_access =
        serve_file::follow(args.settings.as_deref(), &service, &context.messages);
    let configured = service.hub().servers();
    let mut configs = configured.iter().filter_map(Server::config);
    if !has_way_back && configs.any(|server| server.wants_login_of_callers()) {
        return Err(no_way_back("callers log in at a server"));
    }
    // Whoever named the token knows it, and what is printed here ends up in logs.
    let made = token.filter(|_| args.token_env.is_none());
    announce(address, made.as_ref(), !args.no_model, printer)?;
    let again = asked_to_end();
    let served = service.serve_until(listener, asked_to_end(), again).await;
    #[cfg(feature = "otlp")]
    if let Some(traces) = traces {
        // A collector that is away keeps nobody waiting for long.
        let _ = tokio::time::timeout(LAST_SPANS, traces.flush()).await;
    }
    served.map_err(|error| stopped(&error))?;
    Ok(ExitCode::Success)
}

/// How long the end waits for the last spans to be sent.
#[cfg(feature = "otlp")]
const LAST_SPANS: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(feature = "otlp")]
fn traces(args: &ServeArgs) -> Result<Option<mcp_agent::otlp::Otlp>> {
    let Some(url) = &args.otlp else { return Ok(None) };
    match mcp_agent::otlp::Otlp::start(url, "mcp") {
        Ok(traces) => Ok(Some(traces)),
        Err(error) => {
            Err(Report::new(ErrorCode::Usage, "no spans can be sent").causes_of(&error).into())
        }
    }
}

/// A socket that whoever started this program passes on, such as a service manager that lets the
/// next process take over before this one has ended; else a new one.
async fn listener(args: &ServeArgs) -> Result<TcpListener> {
    let passed = ListenFd::from_env().take_tcp_listener(0);
    let passed = passed.and_then(|listener| {
        let Some(listener) = listener else { return Ok(None) };
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Some)
    });
    match passed {
        Ok(Some(listener)) => return Ok(listener),
        Ok(None) => {}
        Err(error) => {
            let text = "the socket that was passed on cannot be listened at";
            return Err(Report::new(ErrorCode::Usage, text).cause(error.to_string()).into());
        }
    }
    TcpListener::bind(&args.listen).await.map_err(|error| {
        Report::new(ErrorCode::Usage, format!("cannot listen at {}", args.listen))
            .cause(error.to_string())
            .help("give another address with --listen HOST:PORT; port 0 is any free one")
            .into()
    })
}

/// Starts the servers that are meant, and sets the layers in front of them.
async fn start(
    args: &ServeArgs,
    shared: &Shared,
    context: &Context,
) -> Result<(Hub, StackOptions, Option<Following>)> {
    let configured = context.settings.configured()?;
    let targets = targets::parse(&args.servers)?;
    let chosen = choose(&targets, &args.command, &configured, &args.server)?;
    if targets.is_empty() && args.command.is_empty() && configured.is_empty() {
        say_that_demo_is_used(context);
    }
    let layers = args.layers.options(&chosen)?;
    let prepare = |options: &mut HubOptions| {
        Service::prepare(options);
        options.await_restart = args.layers.await_restart;
        shared.hub(options);
    };
    let mut required = Required::of(&chosen).without_callers_own(&chosen);
    required.are_usable()?;
    let hub = context.start_with(chosen.servers, prepare).await?;
    hub.report_problems(chosen.problems);
    required.are_up(&hub, context).await?;
    let following = context.follow(&hub, Selection::new(targets, &args.command, &args.server));
    Ok((hub, layers, following))
}

/// Holds the servers' tools to the pins that are shared, or to those of this user.
fn pinned(
    options: ServiceOptions,
    args: &ServeArgs,
    shared: &Shared,
    context: &Context,
) -> ServiceOptions {
    if args.no_pins {
        return options;
    }
    match shared.pins(context).or_else(|| pins::of_service(context)) {
        Some(pins) => options.pins(pins),
        None => options,
    }
}

/// Browsers that are sent elsewhere would not come back.
fn no_way_back(why: &str) -> CliError {
    let text = format!("{why}, and browsers do not know the way to this service");
    Report::new(ErrorCode::Usage, text)
        .help("set `public_url` in the settings (--settings) to where they reach it")
        .into()
}

fn stopped(error: &io::Error) -> CliError {
    Report::new(ErrorCode::Unexpected, "the service stopped").cause(error.to_string()).into()
}

/// The token that is for everything. Where others are named who are let in, there is one only if
/// it is asked for: what is printed at the start of a service ends up in its log.
fn token(args: &ServeArgs, address: SocketAddr, is_alone: bool) -> Result<Option<Secret>> {
    if args.no_token {
        if !is_alone {
            let text = "--no-token would let in everybody, but the settings say who is let in";
            return Err(Report::new(ErrorCode::Usage, text).into());
        }
        if !address.ip().is_loopback() {
            let text = format!("--no-token is not for {address}, which others can reach");
            return Err(Report::new(ErrorCode::Usage, text)
                .help("listen at 127.0.0.1, or name a token with --token-env")
                .into());
        }
        return Ok(None);
    }
    let Some(name) = &args.token_env else {
        if !is_alone {
            return Ok(None);
        }
        return match random_token() {
            Ok(token) => Ok(Some(token)),
            Err(error) => Err(Report::new(ErrorCode::Unexpected, "no token can be made")
                .cause(error.to_string())
                .into()),
        };
    };
    match env::var(name) {
        Ok(token) if token.len() >= 16 => Ok(Some(Secret::new(token))),
        Ok(_) => Err(Report::new(ErrorCode::Usage, format!("the token in `{name}` is too short"))
            .help("16 characters or more; `openssl rand -hex 16` makes some")
            .into()),
        Err(_) => Err(Report::new(
            ErrorCode::Usage,
            format!("the variable `{name}`, which --token-env names, is not set"),
        )
        .into()),
    }
}

async fn chat(args: &ServeArgs, context: &Context) -> Result<ChatOptions> {
    let FoundModel { model, .. } = models::find(&args.model.choice, context).await?;
    let mut chat = ChatOptions::new(model).max_steps(args.model.max_steps);
    if let Some(system) = &args.model.system {
        chat = chat.system(system);
    }
    let patterns = args.model.tools.clone();
    Ok(chat.offer(move |tool| is_chosen(tool, &patterns)))
}

/// Where the service is, and the token, once.
fn announce(
    address: SocketAddr,
    token: Option<&Secret>,
    chats: bool,
    printer: &mut Printer,
) -> Result<()> {
    let base = format!("http://{address}");
    if printer.output() == Output::Text {
        printer.line(format!("MCP     {base}/mcp"))?;
        printer.line(format!("REST    {base}/mcp/servers"))?;
        if chats {
            printer.line(format!("OpenAI  {base}/v1"))?;
        }
        if let Some(token) = token {
            printer.line(format!("Token   {}", token.reveal()))?;
            // Browsers send what is after `#` to nobody.
            printer.line(format!("Page    {base}/#token={}", token.reveal()))?;
        } else {
            printer.line(format!("Page    {base}/"))?;
        }
    } else {
        let token = token.map(Secret::reveal);
        printer.json(&json!({"url": base, "token": token, "chat": chats}))?;
    }
    printer.flush()
}
