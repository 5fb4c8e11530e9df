//! A scripted server as a service over HTTP.

use std::{future::pending, sync::Arc};

use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, Message, NotificationMessage, Request},
    raw::RawJson,
};
use mcp_transport::{
    BoxFuture,
    serve::{Peer, Service},
};
use tokio::time::sleep;

use super::{Answer, server::Shared};

/// Answers by the script. HTTP has no place for what is not MCP, nor the serving side one for
/// questions; both become errors that say so.
pub(super) struct ScriptedService(pub(super) Arc<Shared>);

impl Service for ScriptedService {
    fn request<'a>(
        &'a self,
        request: Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<RawJson, ErrorObject>> {
        Box::pin(async move {
            let Some((_, mut answer)) = self.0.take(Message::Request(request)) else {
                return Err(cannot("a request without an answer"));
            };
            loop {
                answer = match answer {
                    Answer::Result(result) => return Ok(result.into()),
                    Answer::Error(error) => return Err(error),
                    Answer::After(wait, then) => {
                        sleep(wait).await;
                        *then
                    }
                    Answer::Send(message, then) => {
                        let Some(method) =
                            message["method"].as_str().filter(|_| message["id"].is_null())
                        else {
                            return Err(cannot("questions to the client"));
                        };
                        if let Err(error) = peer.notify(method, &message["params"]).await {
                            tracing::debug!(%error, "a scripted notification was not sent");
                        }
                        *then
                    }
                    Answer::Raw(_) => return Err(cannot("raw text")),
                    Answer::Silence | Answer::Usual => return pending().await,
                    Answer::End => {
                        self.0.ended.send_replace(true);
                        return pending().await;
                    }
                };
            }
        })
    }

    fn notification(&self, notification: NotificationMessage, _peer: &Peer) {
        if let Some((_, Answer::End)) = self.0.take(Message::Notification(notification)) {
            self.0.ended.send_replace(true);
        }
    }
}

fn cannot(what: &str) -> ErrorObject {
    let text = format!("the script wants {what}, which is only possible over memory and lines");
    ErrorObject::new(error_code::INTERNAL_ERROR, text)
}
