//! Requests that servers of revisions up to 2025-11-25 send, and their answers.

use std::sync::Arc;

use mcp_protocol::{
    error_code,
    input_required::InputRequest,
    jsonrpc::{self, ErrorObject, Request, RequestId},
    meta::{self, Meta},
    object::Object,
    raw::RawJson,
    version::Era,
};
use serde::Deserialize;

use crate::{Asker, answering::Answering, link::Link};

impl Link {
    /// Answers a request of a legacy server, beside whatever else goes on: by what its call has for
    /// that, or by the client's callbacks.
    pub(crate) fn answer(self: &Arc<Self>, request: Request, answering: Option<Arc<Answering>>) {
        if self.era == Era::Modern {
            tracing::warn!(
                endpoint = %self.endpoint,
                method = %request.method,
                "ignored a request: servers of this revision must not send any"
            );
            return;
        }
        let link = Arc::clone(self);
        self.keep_answer(&request.method.clone(), async move {
            let Request { id, method, params } = request;
            let outcome = link.handle(&method, &params, answering.as_deref()).await;
            link.deliver(&id, &method, outcome).await;
        });
    }

    /// Refuses a question that is meant for one of several calls.
    pub(crate) fn refuse(self: &Arc<Self>, request: Request) {
        if &*request.method == "ping" {
            return self.answer(request, None);
        }
        let link = Arc::clone(self);
        self.keep_answer(&request.method.clone(), async move {
            let text = "several calls are under way, and it is not said which of them asks";
            let error = ErrorObject::new(error_code::INVALID_REQUEST, text);
            link.deliver(&request.id, &request.method, Err(error)).await;
        });
    }

    async fn deliver(&self, id: &RequestId, method: &str, outcome: Result<RawJson, ErrorObject>) {
        let body = outcome.and_then(|result| {
            jsonrpc::encode_result(id, &result)
                .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
        });
        let body = body.unwrap_or_else(|object| jsonrpc::encode_error(Some(id), &object));
        if let Err(error) = self.transport.send(self.message(None, body)).await {
            tracing::warn!(endpoint = %self.endpoint, method, %error, "answer not delivered");
        }
    }

    async fn handle(
        &self,
        method: &str,
        params: &[u8],
        answering: Option<&Answering>,
    ) -> Result<RawJson, ErrorObject> {
        if method == "ping" {
            return Ok(serde_json::json!({}).into());
        }
        let question = InputRequest::decode(method, params)
            .map_err(|error| ErrorObject::new(error_code::INVALID_PARAMS, error.to_string()))?;
        let _question = self.question();
        let answer = match answering {
            Some(answering) => {
                let asker = Asker { endpoint: Arc::clone(&self.endpoint) };
                answering.resolve(question, asker).await?
            }
            None => self.handlers.resolve(question, &self.endpoint).await?,
        };
        // What belongs to a task of revision 2025-11-25 must say so.
        match serde_json::from_slice(params).ok().and_then(|Related { meta }| meta?.related_task())
        {
            Some(task_id) => relate(&answer, &task_id),
            None => Ok(answer),
        }
    }
}

#[derive(Deserialize)]
struct Related {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

/// Names the task to which an answer belongs.
fn relate(answer: &RawJson, task_id: &str) -> Result<RawJson, ErrorObject> {
    let internal =
        |error: serde_json::Error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string());
    let mut answer: Object = answer.parse().map_err(internal)?;
    let mut meta: Object = match answer.get("_meta") {
        Some(meta) => meta.parse().map_err(internal)?,
        None => Object::new(),
    };
    meta.insert(meta::RELATED_TASK, serde_json::json!({"taskId": task_id}));
    answer.insert("_meta", RawJson::from_value(&meta).map_err(internal)?);
    RawJson::from_value(&answer).map_err(internal)
}
