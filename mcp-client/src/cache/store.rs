//! The entries and their bound: a value that takes the time from its caller.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::key::Key;

/// What an entry costs beside its text.
const OVERHEAD: usize = 256;

/// One result.
pub(super) struct Entry {
    pub(super) value: Arc<dyn Any + Send + Sync>,
    pub(super) bytes: usize,
    pub(super) received: Instant,
    pub(super) fresh_for: Duration,
    /// Whether a change was announced since.
    pub(super) is_changed: bool,
}

impl Entry {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.received)
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        !self.is_changed && self.age(now) < self.fresh_for
    }
}

/// Results by key, the least recently used first to go.
pub(super) struct Store {
    entries: HashMap<Key, (Entry, u64)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
    max_bytes: usize,
    evicted: u64,
}

impl Store {
    pub(super) fn new(max_bytes: usize) -> Self {
        let (entries, by_use) = (HashMap::new(), BTreeMap::new());
        Self { entries, by_use, uses: 0, bytes: 0, max_bytes, evicted: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.by_use.clear();
        self.bytes = 0;
    }

    /// The entry, which counts as used.
    pub(super) fn get(&mut self, key: &Key) -> Option<&Entry> {
        let (entry, last_use) = self.entries.get_mut(key)?;
        self.uses += 1;
        if let Some(key) = self.by_use.remove(last_use) {
            self.by_use.insert(self.uses, key);
        }
        *last_use = self.uses;
        Some(entry)
    }

    /// Keeps an entry in place of any older one. False when it alone is too large.
    pub(super) fn put(&mut self, key: Key, entry: Entry) -> bool {
        self.remove(&key);
        let bytes = cost(&key, &entry);
        if bytes > self.max_bytes {
            return false;
        }
        self.bytes += bytes;
        while self.bytes > self.max_bytes
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
            self.evicted += 1;
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, (entry, self.uses));
        true
    }

    fn remove(&mut self, key: &Key) {
        if let Some((entry, last_use)) = self.entries.remove(key) {
            self.by_use.remove(&last_use);
            self.bytes -= cost(key, &entry);
        }
    }

    /// Makes entries old; how many there were.
    pub(super) fn invalidate(&mut self, is_old: impl Fn(&Key) -> bool) -> u64 {
        let mut count = 0;
        for (key, (entry, _)) in &mut self.entries {
            if !entry.is_changed && is_old(key) {
                entry.is_changed = true;
                count += 1;
            }
        }
        count
    }
}

fn cost(key: &Key, entry: &Entry) -> usize {
    entry.bytes + key.subject.uri.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::{
        super::key::{Owner, Subject},
        *,
    };

    fn key(name: u32) -> Key {
        let owner = Owner::Private { connection: 1, authorization: 0 };
        Key::new(&owner, &Subject::resource("resources/read", &format!("{name:04}")))
    }

    fn entry(bytes: usize, received: Instant) -> Entry {
        let fresh_for = Duration::from_secs(10);
        Entry { value: Arc::new(()), bytes, received, fresh_for, is_changed: false }
    }

    // covers: cache-fresh
    #[test]
    fn freshness_by_table() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut one = entry(1, at(1_000));
        for (now, age, fresh) in [
            (0, 0, true),
            (1_000, 0, true),
            (10_999, 9_999, true),
            (11_000, 10_000, false),
            (90_000, 89_000, false),
        ] {
            assert_eq!(one.age(at(now)).as_millis(), age, "{now}");
            assert_eq!(one.is_fresh(at(now)), fresh, "{now}");
        }
        one.is_changed = true;
        assert!(!one.is_fresh(at(1_000)));
        one = Entry { fresh_for: Duration::ZERO, is_changed: false, ..one };
        assert!(!one.is_fresh(at(1_000)));
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let now = Instant::now();
        let mut store = Store::new(3 * (100 + 4 + OVERHEAD));
        for name in 0..3 {
            assert!(store.put(key(name), entry(100, now)));
        }
        assert!(store.get(&key(0)).is_some());
        assert!(store.put(key(3), entry(100, now)));
        let held: Vec<_> = (0..4).map(|name| store.get(&key(name)).is_some()).collect();
        assert_eq!(held, [true, false, true, true]);
        assert_eq!(store.evicted(), 1);
        // Too large by itself: nothing else is lost for it.
        assert!(!store.put(key(9), entry(2_000, now)));
        assert_eq!(store.len(), 3);
    }

    #[test]
    fn only_what_changed_is_old() {
        let now = Instant::now();
        let mut store = Store::new(10_000);
        store.put(key(1), entry(1, now));
        store.put(key(2), entry(1, now));
        let is_first = |key: &Key| &*key.subject.uri == "0001";
        assert_eq!(store.invalidate(is_first), 1);
        assert_eq!(store.invalidate(is_first), 0);
        assert!(!store.get(&key(1)).unwrap().is_fresh(now));
        assert!(store.get(&key(2)).unwrap().is_fresh(now));
    }

    proptest::proptest! {
        /// Whatever is done, the bound holds and the sums are right.
        #[test]
        fn stays_within_its_bound(steps in proptest::collection::vec((0..8_u32, 0..900_usize, 0..3_u8), 0..60)) {
            let now = Instant::now();
            let mut store = Store::new(2_000);
            for (name, bytes, what) in steps {
                match what {
                    0 => _ = store.put(key(name), entry(bytes, now)),
                    1 => _ = store.get(&key(name)),
                    _ => store.remove(&key(name)),
                }
                let sum: usize = store.entries.iter().map(|(key, (entry, _))| cost(key, entry)).sum();
                proptest::prop_assert_eq!(store.bytes(), sum);
                proptest::prop_assert!(sum <= 2_000);
                proptest::prop_assert_eq!(store.entries.len(), store.by_use.len());
                for (last_use, key) in &store.by_use {
                    proptest::prop_assert_eq!(store.entries[key].1, *last_use);
                }
            }
        }
    }
}
