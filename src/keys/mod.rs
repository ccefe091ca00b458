//! The keyring, bucket keys and their caches.
