//! What this process is working on at the moment, so that nobody else here takes it for left over.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Works in progress, by key. Clones share them.
pub(super) struct InProgress<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Clone for InProgress<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for InProgress<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> InProgress<K> {
    /// In progress until the value is dropped, however the work ends: well, badly, cut off or in a panic.
    pub(super) fn begin(&self, key: K) -> Working<K> {
        *self.lock().entry(key.clone()).or_default() += 1;
        Working { all: self.clone(), key }
    }

    /// Whether anybody works on it.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.lock().contains_key(key)
    }

    /// Whether only one works on it.
    pub(super) fn is_last(&self, key: &K) -> bool {
        self.lock().get(key).is_some_and(|count| *count == 1)
    }

    /// The map is sound between any two statements.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One work in progress.
#[must_use]
pub(super) struct Working<K: Clone + Eq + Hash> {
    all: InProgress<K>,
    key: K,
}

impl<K: Clone + Eq + Hash> Drop for Working<K> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        match all.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::InProgress;

    #[test]
    fn two_works_on_one_key_end_one_by_one() {
        let all = InProgress::default();
        let (one, two) = (all.begin("k"), all.begin("k"));
        assert!(!all.is_last(&"k"));
        drop(one);
        assert!(all.contains(&"k") && all.is_last(&"k"));
        drop(two);
        assert!(!all.contains(&"k") && all.lock().is_empty());
    }

    #[test]
    fn a_panic_ends_a_work() {
        let all = InProgress::default();
        let shared = all.clone();
        let panicked = std::thread::spawn(move || {
            let _working = shared.begin("k");
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(!all.contains(&"k"));
    }
}
