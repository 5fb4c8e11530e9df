//! One request for what many want at the same time.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::key::{Key, Owner, Subject};

/// The requests under way whose results others wait for.
#[derive(Debug, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>);

/// What somebody who wants a result has to do.
pub(crate) enum Role {
    /// Ask for it. Who waits goes on when this is dropped.
    Lead(Lead),
    /// Somebody asks already.
    Follow(Follow),
}

/// The one who asks.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Flights,
    key: Key,
    /// Dropped, it wakes who waits.
    _landed: watch::Sender<()>,
}

/// One who waits for the one who asks.
pub(crate) struct Follow(watch::Receiver<()>);

impl Flights {
    pub(crate) fn join(&self, owner: &Owner, subject: &Subject) -> Role {
        let key = Key::new(owner, subject);
        match self.lock().entry(key.clone()) {
            Entry::Occupied(under_way) => Role::Follow(Follow(under_way.get().clone())),
            Entry::Vacant(free) => {
                let (landed, waiting) = watch::channel(());
                free.insert(waiting);
                Role::Lead(Lead { flights: Self(Arc::clone(&self.0)), key, _landed: landed })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl Follow {
    /// Waits until the request has ended, well or not, or was given up.
    pub(crate) async fn landed(mut self) {
        // Nothing is ever sent: the end is the message.
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_leads_and_the_others_go_on_when_it_is_gone() {
        let flights = Flights::default();
        let owner = Owner::Private { connection: 1, authorization: 0 };
        let subject = Subject::list("tools/list");
        let Role::Lead(lead) = flights.join(&owner, &subject) else { panic!("nobody leads") };
        let Role::Follow(follow) = flights.join(&owner, &subject) else { panic!("two lead") };
        let other = Subject::list("prompts/list");
        assert!(matches!(flights.join(&owner, &other), Role::Lead(_)));
        drop(lead);
        follow.landed().await;
        assert!(matches!(flights.join(&owner, &subject), Role::Lead(_)));
    }
}
