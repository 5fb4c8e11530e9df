//! Tool calls that arrive in pieces, told apart although servers number them in different ways.

use serde_json::Value;

use super::wire::{CallPiece, FunctionPiece};
use crate::model::{CallId, ModelEvent};

/// The calls of one answer so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    /// The server's number, which need not be its own.
    index: Option<u64>,
    /// The server's id, when it gave one.
    sent_id: Option<String>,
    id: CallId,
    name: String,
    arguments: String,
    /// The name may come in a later piece than the id; until then nothing is told.
    started: bool,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.iter().all(|call| !call.started)
    }

    /// Adds a piece of a call.
    pub(super) fn piece(&mut self, piece: CallPiece, events: &mut Vec<ModelEvent>) {
        let CallPiece { index, id, function } = piece;
        let FunctionPiece { name, arguments } = function.unwrap_or_default();
        let id = id.filter(|id| !id.is_empty());
        let name = name.filter(|name| !name.is_empty());
        let arguments = match arguments {
            Value::Null => String::new(),
            Value::String(text) => text,
            object => object.to_string(),
        };
        let place = self.place(index, id.as_deref(), name.as_deref(), &arguments);
        let place = place.unwrap_or_else(|| self.begin(index, id.as_deref()));
        self.add(place, name, &arguments, events);
    }

    /// Adds a piece of the one call of the old form, which has neither id nor number.
    pub(super) fn single(&mut self, function: FunctionPiece, events: &mut Vec<ModelEvent>) {
        self.piece(CallPiece { index: Some(0), id: None, function: Some(function) }, events);
    }

    /// Which call a piece belongs to; `None` for a new one.
    fn place(
        &self,
        index: Option<u64>,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &str,
    ) -> Option<usize> {
        // The last one wins: a number that is used again belongs to the latest call.
        let place = match (index, id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.index == index),
            (None, Some(id)) => {
                self.calls.iter().rposition(|call| call.sent_id.as_deref() == Some(id))
            }
            (None, None) => self.calls.len().checked_sub(1),
        }?;
        let call = &self.calls[place];
        let other_id = matches!((id, &call.sent_id), (Some(id), Some(known)) if id != known);
        // Some servers number every call 0, or give all the same id. A name after complete
        // arguments, with arguments of its own, begins another call; a name alone is said again.
        let begins = name.is_some()
            && call.started
            && is_complete(&call.arguments)
            && (!arguments.is_empty() || name != Some(&call.name));
        (!other_id && !begins).then_some(place)
    }

    fn begin(&mut self, index: Option<u64>, sent_id: Option<&str>) -> usize {
        let place = self.calls.len();
        let mut id = sent_id.map_or_else(|| format!("call_{place}"), str::to_owned);
        while self.calls.iter().any(|call| call.id.as_str() == id) {
            id = format!("{id}_{place}");
        }
        self.calls.push(Call {
            index,
            sent_id: sent_id.map(str::to_owned),
            id: id.into(),
            name: String::new(),
            arguments: String::new(),
            started: false,
        });
        place
    }

    fn add(
        &mut self,
        place: usize,
        name: Option<String>,
        arguments: &str,
        events: &mut Vec<ModelEvent>,
    ) {
        let call = &mut self.calls[place];
        call.arguments.push_str(arguments);
        if !call.started {
            let Some(name) = name else { return };
            call.started = true;
            call.name.clone_from(&name);
            events.push(ModelEvent::ToolCallStarted { index: place, id: call.id.clone(), name });
            // What came before the name.
            let text = call.arguments.clone();
            if !text.is_empty() {
                events.push(ModelEvent::ToolArgumentsDelta { index: place, text });
            }
        } else if !arguments.is_empty() {
            let text = arguments.to_owned();
            events.push(ModelEvent::ToolArgumentsDelta { index: place, text });
        }
    }
}

fn is_complete(arguments: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
}
