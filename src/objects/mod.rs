//! Sealed objects over keys, index and upstream.
