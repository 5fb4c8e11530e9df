//! Requests about one thing: whose it is, and the way there.

use std::sync::Arc;

use mcp_client::CatalogLists;
use mcp_protocol::{
    completion::{CompleteParams, CompletionReference},
    error_code,
    jsonrpc::ErrorObject,
    prompts::GetPromptParams,
    raw::RawJson,
    resources::ReadResourceParams,
    tools::CallToolParams,
};

use super::{
    Aggregate, NO_LISTS,
    asked::Caller,
    failed,
    offered::Offered,
    round::{Round, of_another_request},
    tasks, unknown,
};
use crate::caller::{Call, CallError, Operation, ToolHints};

impl Aggregate {
    /// What is offered by a name: among what is known, or after the caller's servers were asked.
    async fn find<T>(
        &self,
        name: &str,
        lists: CatalogLists,
        caller: &Caller<'_>,
        find: impl Fn(&Offered<'_>) -> Option<T>,
    ) -> Option<T> {
        if !self.may_be_of_unknown(name)
            && let Some(found) = find(&self.known())
        {
            return Some(found);
        }
        find(&self.look_for(lists, caller).await)
    }

    pub(super) async fn call_tool(
        &self,
        params: CallToolParams,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let find = |offered: &Offered| {
            let found = offered.tool(&self.0.tools, &params.name);
            found.map(|(server, tool)| {
                let hints = tool.annotations.as_ref().map(ToolHints::from).unwrap_or_default();
                let task = tasks::wanted(&params, caller.era, server, tool);
                (server.name().to_owned(), tool.name.clone(), hints, task)
            })
        };
        // One for logging in is there no more when somebody has, and comes back to say so.
        let login = || {
            let server = self.0.logins.server_of_tool(&params.name, &self.0.view)?;
            let name = params.name.clone();
            Some((server.name().to_owned(), name, ToolHints::default(), Ok(None)))
        };
        let found = self.find(&params.name, CatalogLists::TOOLS, caller, find).await;
        let found = found.or_else(login).ok_or_else(|| unknown("tool", &params.name))?;
        let (server, name, hints, task) = found;
        if let Some(measured) = caller.measured {
            measured.is_of(&server, &name);
        }
        let task = task?;
        let arguments = match &params.arguments {
            None => serde_json::Map::new(),
            Some(arguments) => serde_json::from_str(arguments.as_str()).map_err(|error| {
                let told = format!("the arguments are no JSON object: {error}");
                ErrorObject::new(error_code::INVALID_PARAMS, told)
            })?,
        };
        let round = Round::read(params.input_responses, params.request_state)?;
        let mut call = Call::tool(server, name, arguments).hints(hints);
        call.task = task;
        self.relay(call, caller, round).await
    }

    pub(super) async fn get_prompt(
        &self,
        params: GetPromptParams,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let find = |offered: &Offered| {
            let prompts = offered.prompts();
            let found = prompts.into_iter().find(|(_, name, _)| *name == params.name);
            found.map(|(server, _, prompt)| (server.name().to_owned(), prompt.name.clone()))
        };
        let lists = CatalogLists { prompts: true, ..NO_LISTS };
        let found = self.find(&params.name, lists, caller, find).await;
        let (server, name) = found.ok_or_else(|| unknown("prompt", &params.name))?;
        if let Some(measured) = caller.measured {
            measured.is_of(&server, &name);
        }
        let arguments = params.arguments.into_iter().collect();
        let get = Call::new(server, Operation::GetPrompt { name: name.into(), arguments });
        let round = Round::read(params.input_responses, params.request_state)?;
        self.relay(get, caller, round).await
    }

    pub(super) async fn read_resource(
        &self,
        params: ReadResourceParams,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let uri: Arc<str> = params.uri.into();
        let mut round = Round::read(params.input_responses, params.request_state)?;
        let mut offered = self.known();
        let may_be_elsewhere = !offered.lists(&uri) && self.unknown_servers().next().is_some();
        if may_be_elsewhere || offered.readers(&uri).is_empty() {
            offered = self.look_for(CatalogLists { resources: true, ..NO_LISTS }, caller).await;
        }
        let mut last = None;
        let readers = offered.readers(&uri);
        if readers.len() > 1 {
            round = round.for_several();
        }
        for server in readers.into_iter().filter(|server| round.is_for(server.name())) {
            let read = Call::new(server.name(), Operation::ReadResource { uri: Arc::clone(&uri) });
            match self.relay(read, caller, round.clone()).await {
                Err(error) if is_elsewhere(&error) => last = Some(error),
                outcome => return outcome,
            }
        }
        Err(last.unwrap_or_else(|| {
            if round.is_later() { of_another_request() } else { unknown("resource", &uri) }
        }))
    }

    pub(super) async fn complete(
        &self,
        mut params: CompleteParams,
        caller: &Caller<'_>,
    ) -> Result<RawJson, ErrorObject> {
        let find = |offered: &Offered, params: &mut CompleteParams| match &mut params.reference {
            CompletionReference::Prompt { name, .. } => {
                let prompts = offered.prompts();
                let found = prompts.into_iter().find(|(_, known, _)| known == name);
                let (server, _, prompt) = found.ok_or_else(|| unknown("prompt", name))?;
                name.clone_from(&prompt.name);
                Ok(server.clone())
            }
            CompletionReference::Resource { uri } => {
                let owner = offered.owner_of_template(uri);
                owner.cloned().ok_or_else(|| unknown("template", uri))
            }
            _ => Err(unknown("reference", "of this kind")),
        };
        let mut found = find(&self.known(), &mut params);
        if found.is_err() && self.unknown_servers().next().is_some() {
            let lists = CatalogLists { prompts: true, resources: true, ..NO_LISTS };
            found = find(&self.look_for(lists, caller).await, &mut params);
        }
        let server = found?;
        params.meta = None;
        let params = &params;
        let complete =
            |client: mcp_client::Client| async move { client.complete(params.clone()).await };
        match caller.scope.clone().within(server.call(complete)).await {
            Ok(result) => finish!(result, caller.era),
            Err(error) if error.missing_login().is_some() => {
                let (name, retry_in) = (Arc::<str>::from(server.name()), None);
                let server = Arc::clone(&name);
                let error = CallError::Unavailable { server, retry_in, source: Arc::new(error) };
                let error = caller.scope.step(|| self.0.logins.told(error));
                caller.hears(caller.told(Err(error), &name, false))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Whether another server may have the resource that this one has not.
fn is_elsewhere(error: &ErrorObject) -> bool {
    matches!(error.code, error_code::RESOURCE_NOT_FOUND | error_code::INVALID_PARAMS)
}
