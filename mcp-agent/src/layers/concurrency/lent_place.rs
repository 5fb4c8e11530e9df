//! A call's place, which is free for others while people are asked on behalf of the call.
//!
//! An answer may take minutes or never come; a few such calls would otherwise hold all the places.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Gate, Place};
use crate::caller::{Answers, Dialog, QuestionSink};

/// The place of a call until this is dropped, save while something is asked.
pub(super) struct LentPlace(Arc<Lent>);

struct Lent {
    gate: Arc<Gate>,
    state: Mutex<State>,
}

struct State {
    place: Option<Place>,
    /// How many questions are open.
    open: usize,
    has_ended: bool,
}

impl LentPlace {
    pub(super) fn new(gate: &Arc<Gate>, place: Place) -> Self {
        let state = State { place: Some(place), open: 0, has_ended: false };
        Self(Arc::new(Lent { gate: Arc::clone(gate), state: Mutex::new(state) }))
    }

    /// The dialog, with the place lent while one of its questions is open.
    pub(super) fn around(&self, dialog: &Dialog, sink: &QuestionSink) -> Dialog {
        let (lent, sink) = (Arc::clone(&self.0), Arc::clone(sink));
        let sink: QuestionSink = Arc::new(move |question| {
            let (lent, answering) = (Arc::clone(&lent), sink(question));
            Box::pin(async move {
                let open = OpenQuestion::new(lent);
                let answer = answering.await;
                open.answered().await;
                answer
            })
        });
        Dialog { capabilities: dialog.capabilities.clone(), answers: Answers::Each(sink) }
    }
}

impl Drop for LentPlace {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        state.place = None;
    }
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place again, unless there is no need of it by now.
    fn keep(&self, place: Place) {
        let mut state = self.lock();
        if state.open == 0 && !state.has_ended {
            state.place = Some(place);
        }
    }
}

struct OpenQuestion(Arc<Lent>);

impl OpenQuestion {
    fn new(lent: Arc<Lent>) -> Self {
        let mut state = lent.lock();
        state.open += 1;
        state.place = None;
        drop(state);
        Self(lent)
    }

    /// Before the answer is handed over: the server goes on with it at once.
    async fn answered(self) {
        let lent = Arc::clone(&self.0);
        drop(self);
        if lent.lock().needs_place() {
            let place = lent.gate.wait_for_place().await;
            lent.keep(place);
        }
    }
}

impl State {
    fn needs_place(&self) -> bool {
        self.open == 0 && !self.has_ended && self.place.is_none()
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        let needs_place = state.needs_place();
        drop(state);
        // A question that is taken back leaves nobody to wait with: the call goes on all the same.
        if needs_place && let Some(place) = self.0.gate.place_at_once() {
            self.0.keep(place);
        }
    }
}
