//! Sign-ins that have begun, while the issuer is looked for that the browser is sent to.
//!
//! Anybody who has an address can begin one, and an issuer may take its time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::flows::TooMany;

/// How many there can be of those who would be one principal.
const OF_ONE: usize = 4;

/// How many there can be in all.
const IN_ALL: usize = 64;

/// How many there are, by the principal who was asked.
#[derive(Debug, Default)]
pub(super) struct Starting(Mutex<HashMap<String, usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Start {
    all: Arc<Starting>,
    principal: String,
}

impl Starting {
    pub(super) fn take(self: &Arc<Self>, principal: &str) -> Result<Start, TooMany> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = all.get(principal).copied().unwrap_or_default();
        if of_one >= OF_ONE || all.values().sum::<usize>() >= IN_ALL {
            return Err(TooMany);
        }
        all.insert(principal.to_owned(), of_one + 1);
        Ok(Start { all: Arc::clone(self), principal: principal.to_owned() })
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_starts_few_and_all_together_not_too_many() {
        let all = Arc::<Starting>::default();
        let mut adas: Vec<_> = (0..OF_ONE).map(|_| all.take("ada").unwrap()).collect();
        all.take("ada").unwrap_err();
        let others: Vec<_> = (OF_ONE..IN_ALL).map(|n| all.take(&n.to_string()).unwrap()).collect();
        all.take("more").unwrap_err();
        adas.pop();
        // What was refused has taken nobody's place.
        let more = all.take("more").unwrap();
        all.take("ada").unwrap_err();
        drop((adas, others, more));
        assert!(all.0.lock().unwrap().is_empty());
    }
}
