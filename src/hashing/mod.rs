//! Digests of plaintext in one pass.
