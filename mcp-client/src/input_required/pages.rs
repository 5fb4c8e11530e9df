//! Pages that a server of revision 2025-11-25 wants visited before it takes a request (-32042).

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::{join_all, select_all};
use mcp_protocol::{
    elicitation::{ElicitAction, ElicitResult, ElicitUrlParams},
    error_code::{URL_ELICITATION_REQUIRED, UrlElicitationRequired},
};
use tokio::time::timeout;

use super::answers::Patience;
use crate::{Asker, CallError, link::Link};

/// How long to wait for word from the server before the request is tried again without it.
const WORD_LIMIT: Duration = Duration::from_secs(10);

/// The pages that a refusal names, if this is such a refusal.
pub(super) fn named_in(error: &CallError) -> Option<Vec<ElicitUrlParams>> {
    let object = error.error_object()?;
    let is_this = object.code == URL_ELICITATION_REQUIRED;
    let data: UrlElicitationRequired = object.data.as_ref().filter(|_| is_this)?.parse().ok()?;
    Some(data.elicitations).filter(|pages| !pages.is_empty())
}

/// Has the pages visited that were not before, and waits until it may be worth trying again. Gives
/// the refusal back when a person does not want to.
pub(super) async fn visit(
    link: &Arc<Link>,
    method: &'static str,
    refusal: CallError,
    pages: Vec<ElicitUrlParams>,
    visited: &mut HashSet<String>,
    patience: &Patience,
) -> Result<(), CallError> {
    let id =
        |page: &ElicitUrlParams| page.elicitation_id.clone().unwrap_or_else(|| page.url.clone());
    // Before anybody is asked, so that no word is missed.
    let ids: Vec<_> = pages.iter().map(id).collect();
    let awaited: Vec<_> = ids.iter().map(|id| link.beside.pages.of(id)).collect();
    let fresh: Vec<_> = pages.into_iter().filter(|page| !visited.contains(&id(page))).collect();
    let asking = async {
        let _question = link.question();
        let asker = Asker { endpoint: Arc::clone(&link.endpoint) };
        Ok(join_all(fresh.into_iter().map(|page| link.handlers.visit(page, asker.clone()))).await)
    };
    let answers = patience.within(link, method, asking).await?;
    let is_consent = |answer: &Result<ElicitResult, _>| {
        answer.as_ref().is_ok_and(|answer| answer.action == ElicitAction::Accept)
    };
    if !answers.iter().all(is_consent) {
        return Err(refusal);
    }
    visited.extend(ids);
    let waiting = async {
        let words = select_all(awaited.iter().map(|page| Box::pin(page.heard())));
        // A server need not send word; then the request itself shows whether it is done.
        let _ = timeout(WORD_LIMIT, words).await;
        Ok(())
    };
    patience.within(link, method, waiting).await
}
