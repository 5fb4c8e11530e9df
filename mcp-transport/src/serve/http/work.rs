//! One request being answered, in a task of its own.

use std::sync::Arc;

use mcp_protocol::{
    error_code,
    jsonrpc::{ErrorObject, Request, RequestId, encode_error, encode_result},
};

use super::event_log::EventLog;
use crate::serve::{Beside, Peer, Service, asking::Asking, outgoing::Outgoing};

/// Answers a request; everything goes to the log, the answer last. Answers to what the service
/// asks meanwhile are handed over by `asking`.
pub(super) async fn run(
    service: Arc<dyn Service>,
    request: Request,
    log: Arc<EventLog>,
    asking: Option<Arc<Asking>>,
    beside: Option<Beside>,
) {
    let id = request.id.clone();
    let unanswered = Unanswered { log: &log, id: &id, done: false };
    let peer = Peer::new(Outgoing::Stream(Arc::clone(&log)), asking).with(beside);
    let outcome = service.request(request, &peer).await;
    let text = outcome.and_then(|result| {
        encode_result(&id, &result)
            .map_err(|error| ErrorObject::new(error_code::INTERNAL_ERROR, error.to_string()))
    });
    unanswered.done();
    match text {
        Ok(text) => log.answer(text, Ok(())),
        Err(error) => log.answer(encode_error(Some(&id), &error), Err(error.code)),
    }
}

/// Says so when a request ends without an answer.
struct Unanswered<'a> {
    log: &'a EventLog,
    id: &'a RequestId,
    done: bool,
}

impl Unanswered<'_> {
    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if std::thread::panicking() {
            let error = ErrorObject::new(error_code::INTERNAL_ERROR, "the request panicked");
            self.log.answer(encode_error(Some(self.id), &error), Err(error.code));
        } else {
            // It was cancelled, and who cancels wants no answer.
            self.log.give_up_one();
        }
    }
}
