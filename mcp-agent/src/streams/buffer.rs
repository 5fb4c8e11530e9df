//! The bounded buffer between those who hear events and the one who reads them.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::{Event, EventOptions, Overflow};

#[derive(Debug)]
pub(super) struct Buffer {
    options: EventOptions,
    state: Mutex<State>,
    reader: AtomicWaker,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Event>,
    /// Since the event that came last, and not yet told by another.
    untold: u64,
    lost: u64,
    closed: bool,
}

impl State {
    fn add(&mut self, mut event: Event) {
        event.lost_before += std::mem::take(&mut self.untold);
        self.waiting.push_back(event);
    }

    /// Drops one to make room for another, or says that the other is to be dropped.
    fn make_room(&mut self, overflow: Overflow) -> bool {
        self.lost += 1;
        let oldest = match overflow {
            Overflow::DropOldest => self.waiting.iter().position(|event| event.kind.is_droppable()),
            Overflow::DropNewest => None,
        };
        let Some(dropped) = oldest.and_then(|at| Some((at, self.waiting.remove(at)?))) else {
            self.untold += 1;
            return false;
        };
        let (at, dropped) = dropped;
        let told = match self.waiting.get_mut(at) {
            Some(next) => &mut next.lost_before,
            None => &mut self.untold,
        };
        *told += dropped.lost_before + 1;
        true
    }
}

impl Buffer {
    pub(super) fn new(mut options: EventOptions) -> Self {
        options.capacity = options.capacity.max(1);
        Self { options, state: Mutex::default(), reader: AtomicWaker::new(), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, event: Event) {
        if !self.options.filter.matches(&event) {
            return;
        }
        let mut state = self.lock();
        let has_room = state.waiting.len() < self.options.capacity;
        if has_room || state.make_room(self.options.overflow) {
            state.add(event);
        }
        drop(state);
        self.reader.wake();
    }

    pub(super) async fn send(&self, event: Event) {
        if !self.options.filter.matches(&event) {
            return;
        }
        loop {
            let mut room = pin!(self.room.notified());
            // Before looking, or room made in between would wake nobody.
            room.as_mut().enable();
            {
                let mut state = self.lock();
                if state.waiting.len() < self.options.capacity {
                    state.add(event);
                    break;
                }
            }
            room.await;
        }
        self.reader.wake();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.reader.wake();
    }

    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // Before looking, or an event in between would wake nobody.
        self.reader.register(cx.waker());
        let mut state = self.lock();
        match state.waiting.pop_front() {
            Some(event) => {
                drop(state);
                self.room.notify_waiters();
                Poll::Ready(Some(event))
            }
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::{super::EventKind, *};

    fn event(kind: EventKind, number: usize) -> Event {
        Event::new("s", kind, number)
    }

    fn next(buffer: &Buffer) -> Option<Event> {
        match buffer.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    fn read(buffer: &Buffer) -> Vec<(u64, u64)> {
        let events = std::iter::from_fn(|| next(buffer));
        events.map(|event| (event.data.as_u64().unwrap(), event.lost_before)).collect()
    }

    fn full(overflow: Overflow) -> Buffer {
        let buffer = Buffer::new(EventOptions::default().capacity(3).overflow(overflow));
        (0..6).for_each(|number| buffer.push(event(EventKind::Log, number)));
        buffer
    }

    #[test]
    fn the_policy_says_what_is_dropped_and_the_next_event_how_much() {
        let oldest = full(Overflow::DropOldest);
        assert_eq!(read(&oldest), [(3, 3), (4, 0), (5, 0)]);
        let newest = full(Overflow::DropNewest);
        assert_eq!(read(&newest), [(0, 0), (1, 0), (2, 0)]);
        newest.push(event(EventKind::Log, 6));
        assert_eq!(read(&newest), [(6, 3)]);
        assert_eq!((oldest.lost(), newest.lost()), (3, 3));
    }

    #[test]
    fn changes_are_never_dropped_and_wait_for_room() {
        let buffer = Buffer::new(EventOptions::default().capacity(2));
        buffer.send(event(EventKind::Resource, 0)).now_or_never().unwrap();
        buffer.push(event(EventKind::Log, 1));
        let mut waiting = Box::pin(buffer.send(event(EventKind::Resource, 2)));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        // The log makes room for a newer one, the change does not.
        buffer.push(event(EventKind::Log, 3));
        assert_eq!(next(&buffer).unwrap().data, 0);
        waiting.now_or_never().unwrap();
        assert_eq!(read(&buffer), [(3, 1), (2, 0)]);
        // Nothing but changes: the newcomer goes.
        for number in [4, 5] {
            buffer.send(event(EventKind::Gap, number)).now_or_never().unwrap();
        }
        buffer.push(event(EventKind::Log, 6));
        assert_eq!((read(&buffer), buffer.lost()), (vec![(4, 0), (5, 0)], 2));
    }

    proptest! {
        #[test]
        fn all_is_delivered_in_order_or_counted(
            capacity in 1_usize..6,
            oldest: bool,
            // How many are pushed before how many are read.
            turns in proptest::collection::vec((0_usize..12, 0_usize..6), 1..20),
        ) {
            let overflow = if oldest { Overflow::DropOldest } else { Overflow::DropNewest };
            let options = EventOptions::default().capacity(capacity).overflow(overflow);
            let buffer = Buffer::new(options);
            let (mut pushed, mut got) = (0, Vec::new());
            for (pushes, reads) in turns {
                for _ in 0..pushes {
                    buffer.push(event(EventKind::Log, pushed));
                    pushed += 1;
                    prop_assert!(buffer.lock().waiting.len() <= capacity);
                }
                got.extend((0..reads).map_while(|_| next(&buffer)));
            }
            // With room again, so that what was dropped last is told too.
            got.extend(std::iter::from_fn(|| next(&buffer)));
            buffer.push(event(EventKind::Log, pushed));
            got.extend(next(&buffer));
            // Each says how many are missing before it.
            let mut expected = 0;
            for event in &got {
                expected += event.lost_before;
                prop_assert_eq!(event.data.as_u64(), Some(expected));
                expected += 1;
            }
            prop_assert_eq!(buffer.lock().lost + got.len() as u64, pushed as u64 + 1);
        }
    }
}
