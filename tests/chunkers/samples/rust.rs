//! A small cache.

use std::collections::HashMap;

/// How full the cache is.
#[derive(Debug, Clone)]
pub enum Level {
    Empty,
    Full,
}

/// Keeps values by key.
pub struct Cache<V> {
    values: HashMap<String, V>,
}

impl<V: Clone> Cache<V> {
    pub const LIMIT: usize = 8;

    /// Makes an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self { values: HashMap::new() }
    }

    /// Looks a value up.
    pub fn get(&self, key: &str) -> Option<V> {
        let found = self.values.get(key);
        found.cloned()
    }

    fn len(&self) -> usize { self.values.len() }
}

impl<V> Drop for Cache<V> {
    fn drop(&mut self) {
        self.values.clear();
    }
}

/// What can be stored.
pub trait Storable {
    /// Bytes of the value.
    fn size(&self) -> usize;

    fn is_large(&self) -> bool {
        let size = self.size();
        size > 1024
    }
}

pub type Names = Vec<String>;

#[macro_export]
macro_rules! cached {
    ($key:expr) => {
        CACHE.get($key)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_empty() {
        let cache: Cache<u8> = Cache::new();
        assert!(cache.get("a").is_none());
    }
}

cfg_net! {
    /// Opens a cache that others share.
    pub fn open_shared(path: &Path) -> io::Result<Cache<u8>> {
        let file = File::open(path)?;
        Cache::read(file)
    }

    pin_project! {
        /// What waits for it.
        pub struct Opening<F> {
            #[pin]
            future: F,
        }
    }
}

unsafe impl<V> Send for Cache<V> {}
unsafe impl<V> Sync for Cache<V> {}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

html! {
    <p>{ "fn not_a_function() {}" }</p>
}
